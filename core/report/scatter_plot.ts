import * as Plot from "@observablehq/plot";
import {
  checkFinite,
  checkSome,
  domain,
  draw,
  tickText,
} from "./plot_canvas.ts";

/** A panel of dots. */
export interface ScatterPanel {
  /** Heading of the panel. */
  readonly label: string;
  /** Dots, in the unit of both axes. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
  /** A line through them. */
  readonly line?: { readonly slope: number; readonly intercept: number };
}

/** How panels are drawn. */
export interface ScatterOptions {
  /** Heading of the horizontal axis. */
  readonly xLabel: string;
  /** Heading of the vertical axis. */
  readonly yLabel: string;
  /** Panels of a row; default 3. */
  readonly columns?: number;
  /** Spoken name of the picture. */
  readonly title?: string;
}

/** Height of a row of panels, in pixels. */
const ROW = 210;

/**
 * Draws one quantity against another, a panel for each list of dots, all on the
 * same axes: the dashed diagonal is where both are equal.
 *
 * @param panels at least one, each with at least one dot
 * @param options headings
 * @returns SVG text that stands alone, for light and dark pages
 * @throws {RangeError} if there is nothing to draw, or a number is not finite
 */
export function scatterPlot(
  panels: readonly ScatterPanel[],
  options: ScatterOptions,
): string {
  checkSome("panels", panels.length);
  for (const { label, points, line } of panels) {
    checkSome(`panel "${label}"`, points.length);
    checkFinite("panels", label, [
      ...points.flatMap(({ x, y }) => [x, y]),
      line?.slope,
      line?.intercept,
    ]);
  }
  const { columns = 3 } = options;
  const placed = panels.map((panel, i) => ({
    ...panel,
    fx: i % columns,
    fy: Math.floor(i / columns),
  }));
  const dots = placed.flatMap(({ points, fx, fy }) =>
    points.map((point) => ({ ...point, fx, fy }))
  );
  const ends = (values: number[]) => domain(values, "linear", 0.08, false);
  const [x, y] = [
    ends(dots.map((dot) => dot.x)),
    ends(dots.map((dot) => dot.y)),
  ];
  const at = { fx: "fx", fy: "fy" } as const;
  /** The part of a line that is inside of the axes. */
  const segment = (slope: number, intercept: number) => {
    const bounds = slope === 0
      ? [...x]
      : [...y].map((value) => (value - intercept) / slope).sort((a, b) =>
        a - b
      );
    const inside = bounds.map((value) => Math.max(x[0], Math.min(x[1], value)));
    return inside.map((value) => ({ x: value, y: slope * value + intercept }))
      .filter((end) => end.y >= y[0] - 1e-9 && end.y <= y[1] + 1e-9);
  };
  const lines = (slope: number, intercept: number, fx: number, fy: number) =>
    segment(slope, intercept).map((end) => ({ ...end, fx, fy }));
  const axis = {
    labelArrow: "none",
    labelAnchor: "center",
    ticks: 4,
    tickSize: 0,
  } as const;
  return draw({
    height: (placed.at(-1)!.fy + 1) * ROW + 56,
    marginLeft: 52,
    marginTop: 24,
    marginBottom: 44,
    marginRight: 12,
    x: { domain: x },
    y: { domain: y },
    fx: { axis: null, padding: 0.08 },
    fy: { axis: null, padding: 0.16 },
    marks: [
      Plot.frame({ stroke: "currentColor", strokeOpacity: 0.2 }),
      Plot.ruleX([0], { stroke: "currentColor", strokeOpacity: 0.12 }),
      Plot.ruleY([0], { stroke: "currentColor", strokeOpacity: 0.12 }),
      Plot.axisX({ ...axis, label: options.xLabel, tickFormat: tickText }),
      Plot.axisY({ ...axis, label: options.yLabel, tickFormat: tickText }),
      ...placed.flatMap(({ fx, fy, line }) => [
        Plot.line(lines(1, 0, fx, fy), {
          ...at,
          x: "x",
          y: "y",
          stroke: "currentColor",
          strokeOpacity: 0.5,
          strokeDasharray: "4 4",
        }),
        ...(line === undefined ? [] : [
          Plot.line(lines(line.slope, line.intercept, fx, fy), {
            ...at,
            x: "x",
            y: "y",
            stroke: "var(--series-2)",
            strokeWidth: 1.75,
          }),
        ]),
      ]),
      Plot.dot(dots, {
        ...at,
        x: "x",
        y: "y",
        r: 1.8,
        fill: "var(--series-1)",
        fillOpacity: 0.55,
      }),
      Plot.text(placed, {
        ...at,
        frameAnchor: "top-left",
        text: "label",
        dy: -14,
        fontWeight: "bold",
      }),
    ],
  }, options.title ?? `${options.yLabel} by ${options.xLabel}`);
}
