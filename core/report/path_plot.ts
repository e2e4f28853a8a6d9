import * as Plot from "@observablehq/plot";
import {
  checkFinite,
  checkSome,
  colour,
  domain,
  draw,
  tickText,
} from "./plot_canvas.ts";

/** A place: metres ahead, and metres to the left. */
interface Place {
  readonly x: number;
  readonly y: number;
}

/** A path that was commanded beside the one that was followed. */
export interface PathPair {
  /** Name at the end of the commanded path. */
  readonly label: string;
  /** Commanded, drawn dashed. */
  readonly commanded: readonly Place[];
  /** Followed; none is drawn if absent. */
  readonly followed?: readonly Place[];
}

/** Paths of one panel. */
export interface PathPanel {
  /** Heading of the panel. */
  readonly label: string;
  /** Its paths; equal places in the lists have equal colours. */
  readonly paths: readonly PathPair[];
}

/**
 * Draws paths from above, a panel beside the other, all from one place upwards.
 * Metres to the side and metres ahead have scales of their own.
 *
 * @param panels at least one, each with at least one path
 * @param options spoken name of the picture
 * @returns SVG text that stands alone, for light and dark pages
 * @throws {RangeError} if there is nothing to draw, or a number is not finite
 */
export function pathPlot(
  panels: readonly PathPanel[],
  options: { readonly title: string },
): string {
  checkSome("paths", panels.length);
  const rows = panels.flatMap(({ label: panel, paths }, fx) => {
    checkSome(`panel "${panel}"`, paths.length);
    return paths.flatMap(({ label, commanded, followed = [] }, i) => {
      checkSome(`path "${label}"`, commanded.length);
      const all = [...commanded, ...followed];
      checkFinite("paths", label, all.flatMap(({ x, y }) => [x, y]));
      return (["commanded", "followed"] as const).flatMap((kind) =>
        ({ commanded, followed })[kind].map(({ x, y }, step) => ({
          fx,
          kind,
          label,
          i,
          step,
          right: -y,
          ahead: x,
          path: `${panel} ${label} ${kind}`,
        }))
      );
    });
  });
  const at = { fx: "fx", x: "right", y: "ahead", z: "path" } as const;
  const of = (kind: string) => rows.filter((row) => row.kind === kind);
  const ends = (values: number[], pad: number) =>
    domain(values, "linear", pad, false);
  const last = of("commanded").filter(({ fx, i, step }) =>
    step === panels[fx]!.paths[i]!.commanded.length - 1
  );
  // Ticks of neighbouring panels must not touch.
  const side = Math.max(...rows.map(({ right }) => Math.abs(right)));
  const tick = Number((0.7 * side).toPrecision(1));
  const sideTicks = [-tick, 0, tick];
  const axis = {
    labelArrow: "none",
    labelAnchor: "center",
    tickSize: 0,
    tickFormat: tickText,
  } as const;
  return draw({
    height: 340,
    marginLeft: 46,
    marginTop: 40,
    marginBottom: 44,
    marginRight: 8,
    x: { domain: ends(rows.map(({ right }) => right), 0.12) },
    y: { domain: ends(rows.map(({ ahead }) => ahead), 0.07) },
    fx: { axis: null, padding: 0.06 },
    marks: [
      Plot.frame({ stroke: "currentColor", strokeOpacity: 0.2 }),
      Plot.gridY({ ticks: 5, stroke: "currentColor", strokeOpacity: 0.12 }),
      Plot.axisX({ ...axis, ticks: sideTicks, label: "Metres to the right" }),
      Plot.axisY({ ...axis, ticks: 5, label: "Metres ahead" }),
      Plot.line(of("commanded"), {
        ...at,
        stroke: ({ i }: { i: number }) => colour(i),
        strokeDasharray: "3 3",
      }),
      Plot.line(of("followed"), {
        ...at,
        stroke: ({ i }: { i: number }) => colour(i),
        strokeWidth: 2,
      }),
      Plot.text(last, {
        fx: "fx",
        x: "right",
        y: "ahead",
        text: "label",
        dy: -8,
        fontSize: 10,
        fill: ({ i }: { i: number }) => colour(i),
      }),
      Plot.text(panels.map(({ label }, fx) => ({ fx, label })), {
        fx: "fx",
        frameAnchor: "top-left",
        text: "label",
        dy: -30,
        lineWidth: 8,
        fontWeight: "bold",
      }),
    ],
  }, options.title);
}
