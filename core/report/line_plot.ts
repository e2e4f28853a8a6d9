import * as Plot from "@observablehq/plot";
import {
  axisY,
  checkFinite,
  checkSome,
  colour,
  domain,
  draw,
  LETTER,
  LINE_HEIGHT,
  tickText,
  unit,
} from "./plot_canvas.ts";
import { formatNumber } from "./table.ts";

/** One place of a line. */
export interface LinePoint {
  /** Step, horizon or time. */
  readonly x: number;
  /** The value there. */
  readonly y: number;
  /** Lower end of the band, in the unit of `y`. */
  readonly low?: number;
  /** Upper end of the band, in the unit of `y`. */
  readonly high?: number;
}

/** A named line. */
export interface Line {
  /** Name printed at the end of the line. */
  readonly label: string;
  /** Places in the order they are joined. */
  readonly points: readonly LinePoint[];
  /** Whether it is the paper's: drawn dashed. */
  readonly published?: boolean;
}

/** How lines are drawn. */
export interface LineOptions {
  /** Heading of the horizontal axis. */
  readonly xLabel: string;
  /** Heading of the vertical axis. */
  readonly yLabel: string;
  /** Spacing of the vertical axis; linear if absent. */
  readonly scale?: "log" | "linear";
  /** Spoken name of the picture. */
  readonly title?: string;
}

/**
 * Draws lines with their names at the right end and bands for intervals.
 *
 * @param lines at least one, each with at least one point
 * @param options headings and spacing
 * @returns SVG text that stands alone, for light and dark pages
 * @throws {RangeError} if there is no point, a number is not finite, or a
 *   value is not positive on a logarithmic axis
 */
export function linePlot(
  lines: readonly Line[],
  options: LineOptions,
): string {
  const scale = options.scale ?? "linear";
  checkSome("lines", lines.length);
  for (const line of lines) {
    checkSome(`line "${line.label}"`, line.points.length);
    for (const p of line.points) {
      checkFinite("lines", line.label, [p.x, p.y, p.low, p.high]);
      if (scale === "log" && p.y <= 0) {
        throw new RangeError(
          `Cannot draw lines: "${line.label}" has ${p.y} at ${p.x}, a ` +
            `logarithmic axis needs positive values; use the linear scale`,
        );
      }
    }
  }
  const height = 340;
  const margin = { top: 34, bottom: 44 };
  const points = lines.flatMap((line) => line.points);
  const shown: number[] = [];
  for (const p of points) {
    for (const value of [p.y, p.low ?? p.y, p.high ?? p.y]) {
      if (scale === "linear" || value > 0) shown.push(value);
    }
  }
  const yEnds = domain(extremes(shown), scale, 0.05, true);
  const xs = extremes(points.map((p) => p.x));
  const y = unit(yEnds, scale);
  const frameHeight = height - margin.top - margin.bottom;
  const pixelY = (value: number) =>
    height - margin.bottom - y.to(value) * frameHeight;
  const ends = lines.map((line) => pixelY(line.points.at(-1)?.y ?? yEnds[0]));
  const places = spread(ends, height - margin.bottom);
  const longest = Math.max(...lines.map((line) => line.label.length));

  const marks: Plot.Markish[] = [
    axisY(options.yLabel, yEnds, scale),
    Plot.axisX({
      label: options.xLabel,
      labelArrow: "none",
      ticks: 7,
      tickSize: 0,
      tickFormat: (value: number) => formatTick(value),
      fontVariant: "tabular-nums",
    }),
  ];
  lines.forEach((line, index) => {
    const stroke = colour(index);
    const band = line.points.filter((p) =>
      p.low !== undefined && p.high !== undefined
    ).map((p) => ({ ...p, low: Math.max(p.low ?? p.y, yEnds[0]) }));
    if (band.length > 1) {
      marks.push(Plot.areaY(band, {
        x: "x",
        y1: "low",
        y2: "high",
        fill: stroke,
        fillOpacity: 0.16,
      }));
    }
    marks.push(Plot.line(line.points, {
      x: "x",
      y: "y",
      stroke,
      strokeWidth: 1.75,
      strokeLinejoin: "round",
      ...(line.published ? { strokeDasharray: "5 4" } : {}),
    }));
    if (line.points.length <= 24) {
      marks.push(Plot.dot(line.points, {
        x: "x",
        y: "y",
        r: 2.5,
        stroke,
        fill: line.published ? "var(--paper)" : stroke,
      }));
    }
    marks.push(Plot.text(line.points.slice(-1), {
      x: "x",
      y: "y",
      text: () => line.label,
      dx: 8,
      dy: places[index]! - ends[index]!,
      textAnchor: "start",
      fill: stroke,
    }));
  });
  return draw({
    height,
    marginTop: margin.top,
    marginBottom: margin.bottom,
    marginLeft: 58,
    marginRight: Math.min(longest * LETTER, 240) + 16,
    x: { domain: xs[0] === xs[1] ? [xs[0] - 1, xs[1] + 1] : xs },
    y: { domain: yEnds, type: scale },
    marks,
  }, options.title ?? `${options.yLabel} by ${options.xLabel}`);
}

/** Moves label heights apart, keeping their order. */
function spread(heights: readonly number[], bottom: number): number[] {
  const order = heights.map((_, index) => index)
    .sort((a, b) => heights[a]! - heights[b]!);
  const placed = [...heights];
  let above = -Infinity;
  for (const index of order) {
    above = Math.max(heights[index]!, above + LINE_HEIGHT);
    placed[index] = above;
  }
  let below = bottom + LINE_HEIGHT;
  for (const index of order.toReversed()) {
    below = Math.min(placed[index]!, below - LINE_HEIGHT);
    placed[index] = below;
  }
  return placed;
}

/** Least and greatest; a spread call would limit the length of loss curves. */
function extremes(values: readonly number[]): [number, number] {
  let [min, max] = [Infinity, -Infinity];
  for (const value of values) {
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  return [min, max];
}

function formatTick(value: number): string {
  return value >= 1000 ? formatNumber(value) : tickText(value);
}
