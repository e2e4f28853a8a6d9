import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { type Box, placeLabels } from "./label_placement.ts";
import { formatNumber } from "./table.ts";

/** A point of the perception-distortion plane. */
export interface FrontierPoint {
  /** Name printed beside the point. */
  readonly label: string;
  /** Points of one group share a colour. */
  readonly group: string;
  /** CosSim, no unit, higher is closer. */
  readonly distortion: number;
  /** KID, no unit, lower is closer. */
  readonly perception: number;
  /** Lower end of the interval of `perception`. */
  readonly low?: number;
  /** Upper end of the interval of `perception`. */
  readonly high?: number;
  /** Whether it is the paper's number: drawn hollow. */
  readonly published?: boolean;
}

/** How a frontier is drawn. */
export interface FrontierOptions {
  /** Spacing of the perception axis; logarithmic if absent. */
  readonly scale?: "log" | "linear";
  /** Heading of the distortion axis. */
  readonly xLabel?: string;
  /** Heading of the perception axis. */
  readonly yLabel?: string;
  /** Spoken name of the picture. */
  readonly title?: string;
}

/** A bar with its spread. */
export interface Bar {
  /** Operating point. */
  readonly label: string;
  /** Horizon: bars of one group stand together. */
  readonly group: string;
  /** Length of the bar. */
  readonly value: number;
  /** Lower end of the interval, in the unit of `value`. */
  readonly low?: number;
  /** Upper end of the interval, in the unit of `value`. */
  readonly high?: number;
  /** The value of each seed, drawn as dots. */
  readonly seeds?: readonly number[];
  /** The paper's number, drawn as a hollow diamond. */
  readonly published?: number;
}

/** How bars are drawn. */
export interface BarOptions {
  /** Heading of the value axis. */
  readonly label: string;
  /** Spoken name of the picture. */
  readonly title?: string;
}

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

/** What is used of an element of linkedom. */
interface SvgNode {
  setAttribute(name: string, value: string): void;
  querySelector(selector: string): { textContent: string } | null;
  readonly outerHTML: string;
}

/** Colours on white and on black, by the name of their variable. */
const COLOURS: Readonly<Record<string, readonly [string, string]>> = {
  "--ink": ["#1f2328", "#e4e7eb"],
  "--paper": ["#ffffff", "#15181c"],
  "--muted": ["#646c76", "#9aa3ad"],
  "--series-1": ["#2563a8", "#6ba8e8"],
  "--series-2": ["#b8471f", "#f0946c"],
  "--series-3": ["#2b7d4f", "#65c08c"],
  "--series-4": ["#7b4ba8", "#bd94e6"],
  "--series-5": ["#8f6800", "#dbb244"],
  "--series-6": ["#26788a", "#62bccf"],
  "--series-7": ["#a83368", "#ee86b5"],
};
const SERIES = 7;
const WIDTH = 680;
const FONT_SIZE = 12;
/** Mean width of a letter, a little more than system fonts have. */
const LETTER = 6.7;
const LINE_HEIGHT = 15;

/** A horizontal dash as a symbol of Plot, 8 pixels wide. */
const DASH = {
  draw(context: {
    moveTo(x: number, y: number): void;
    lineTo(x: number, y: number): void;
  }): void {
    context.moveTo(-4, 0);
    context.lineTo(4, 0);
  },
};

function variables(mode: 0 | 1): string {
  return Object.entries(COLOURS)
    .map(([name, pair]) => `${name}:${pair[mode]}`).join(";");
}

const STYLE = `.wa-plot{${variables(0)};color:var(--ink);` +
  `display:block;height:auto;max-width:100%}` +
  `.wa-plot text{white-space:pre}` +
  `@media (prefers-color-scheme:dark){.wa-plot{${variables(1)}}}`;

function colour(index: number): string {
  return `var(--series-${index % SERIES + 1})`;
}

function draw(options: Plot.PlotOptions, title: string): string {
  // The types of linkedom lean on those of a browser, which are not loaded.
  const page = parseHTML(
    "<!doctype html><html><body></body></html>",
  ) as unknown;
  const { document } = page as {
    document: NonNullable<Plot.PlotOptions["document"]>;
  };
  const svg = Plot.plot({
    ...options,
    width: WIDTH,
    className: "wa-plot",
    document,
  }) as unknown as SvgNode;
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("font-size", String(FONT_SIZE));
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", title);
  const style = svg.querySelector("style");
  if (style !== null) style.textContent = STYLE;
  return svg.outerHTML;
}

function checkFinite(
  what: string,
  label: string,
  numbers: readonly (number | undefined)[],
): void {
  for (const number of numbers) {
    if (number !== undefined && !Number.isFinite(number)) {
      throw new RangeError(
        `Cannot draw ${what}: "${label}" holds ${number}, ` +
          `it needs finite numbers`,
      );
    }
  }
}

function checkSome(what: string, count: number): void {
  if (count === 0) {
    throw new RangeError(`Cannot draw ${what}: it needs at least one point`);
  }
}

/** The ends of an axis, a little beyond what it shows. */
function domain(
  values: readonly number[],
  scale: "log" | "linear",
  pad: number,
  fromZero: boolean,
): [number, number] {
  const min = Math.min(...values);
  const max = Math.max(...values);
  if (scale === "log") {
    const factor = Math.max(max / min, 1.5) ** pad;
    return [min / factor, max * factor];
  }
  const room = (max - min || Math.abs(max) || 1) * pad;
  const bottom = fromZero && min >= 0 && min < 0.4 * max ? 0 : min - room;
  return [bottom, max + room];
}

/** Round numbers between the ends of a logarithmic axis. */
function logTicks([bottom, top]: readonly [number, number]): number[] {
  const decades = Math.log10(top / bottom);
  const digits = decades > 4
    ? [1]
    : decades > 1.2
    ? [1, 2, 5]
    : decades > 0.6
    ? [1, 1.5, 2, 3, 5, 7]
    : [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9];
  const ticks: number[] = [];
  const last = Math.floor(Math.log10(top));
  for (let power = Math.floor(Math.log10(bottom)); power <= last; power++) {
    for (const digit of digits) {
      const tick = Number(`${digit}e${power}`);
      if (tick >= bottom && tick <= top) ticks.push(tick);
    }
  }
  return ticks;
}

function tickText(value: number): string {
  const rounded = Number(value.toPrecision(6));
  return Math.abs(rounded) >= 1e-4 && Math.abs(rounded) < 1e6 || rounded === 0
    ? String(rounded).replace("-", "\u2212")
    : formatNumber(rounded);
}

function unit(
  [bottom, top]: readonly [number, number],
  scale: "log" | "linear",
): { to(value: number): number; from(fraction: number): number } {
  if (scale === "log") {
    const range = Math.log(top / bottom);
    return {
      to: (value) => Math.log(value / bottom) / range,
      from: (fraction) => bottom * Math.exp(fraction * range),
    };
  }
  return {
    to: (value) => (value - bottom) / (top - bottom),
    from: (fraction) => bottom + fraction * (top - bottom),
  };
}

function axisY(
  label: string,
  ends: readonly [number, number],
  scale: "log" | "linear",
): Plot.Markish[] {
  const ticks = scale === "log" ? { ticks: logTicks(ends) } : { ticks: 6 };
  return [
    Plot.gridY({ ...ticks, stroke: "currentColor", strokeOpacity: 0.12 }),
    Plot.axisY({
      ...ticks,
      label,
      labelArrow: "none",
      tickFormat: tickText,
      tickSize: 0,
      fontVariant: "tabular-nums",
    }),
  ];
}

/**
 * Draws the perception-distortion frontier: CosSim to the right, KID upwards.
 *
 * Each point has its interval as a vertical bar and its name beside it; the
 * paper's points are hollow.
 *
 * Source: Figure 5.
 *
 * @param points operating points, at least one
 * @param options spacing and headings
 * @returns SVG text that stands alone, for light and dark pages
 * @throws {RangeError} if there is no point, a number is not finite, or a KID
 *   is not positive on a logarithmic axis
 */
export function frontierPlot(
  points: readonly FrontierPoint[],
  options: FrontierOptions = {},
): string {
  const scale = options.scale ?? "log";
  const height = 440;
  const margin = { top: 34, right: 18, bottom: 44, left: 58 };
  checkSome("frontier", points.length);
  for (const p of points) {
    checkFinite("frontier", p.label, [
      p.distortion,
      p.perception,
      p.low,
      p.high,
    ]);
    if (scale === "log" && p.perception <= 0) {
      throw new RangeError(
        `Cannot draw frontier: "${p.label}" has KID ${p.perception}, a ` +
          `logarithmic axis needs positive values; use the linear scale`,
      );
    }
  }
  const shown = points.flatMap((p) =>
    [p.perception, p.low ?? p.perception, p.high ?? p.perception]
      .filter((value) => scale === "linear" || value > 0)
  );
  const yEnds = domain(shown, scale, 0.1, true);
  const xEnds = domain(points.map((p) => p.distortion), "linear", 0.12, false);
  const x = unit(xEnds, "linear");
  const y = unit(yEnds, scale);
  const frame: Box = {
    left: margin.left,
    top: margin.top,
    right: WIDTH - margin.right,
    bottom: height - margin.bottom,
  };
  const frameWidth = frame.right - frame.left;
  const frameHeight = frame.bottom - frame.top;
  const pixelX = (value: number) => frame.left + x.to(value) * frameWidth;
  const pixelY = (value: number) => frame.bottom - y.to(value) * frameHeight;

  const groups = [...new Set(points.map((p) => p.group))];
  const rows = points.map((p) => ({
    ...p,
    ink: colour(groups.indexOf(p.group)),
    bottom: Math.max(p.low ?? p.perception, yEnds[0]),
    top: p.high ?? p.perception,
  }));
  const obstacles = rows.flatMap((row): Box[] => {
    const [left, top] = [pixelX(row.distortion), pixelY(row.perception)];
    return [
      { left: left - 6, top: top - 6, right: left + 6, bottom: top + 6 },
      {
        left: left - 3,
        top: pixelY(row.top),
        right: left + 3,
        bottom: pixelY(row.bottom),
      },
    ];
  });
  const anchors = rows.map((row) => ({
    x: pixelX(row.distortion),
    y: pixelY(row.perception),
    width: row.label.length * LETTER + 4,
    height: LINE_HEIGHT,
  }));
  const boxes = placeLabels(anchors, frame, obstacles);
  const marks: Plot.Markish[] = [
    axisY(options.yLabel ?? "KID (lower is more realistic)", yEnds, scale),
    Plot.axisX({
      label: options.xLabel ?? "CosSim (higher is closer to the truth)",
      labelArrow: "none",
      ticks: 6,
      tickSize: 0,
      fontVariant: "tabular-nums",
    }),
  ];
  rows.forEach((row, index) => {
    const box = boxes[index];
    const anchor = anchors[index];
    if (box === undefined || anchor === undefined) return;
    const endX = Math.min(Math.max(anchor.x, box.left), box.right);
    const endY = Math.min(Math.max(anchor.y, box.top), box.bottom);
    if (Math.hypot(endX - anchor.x, endY - anchor.y) > 14) {
      marks.push(Plot.link([row], {
        x1: "distortion",
        y1: "perception",
        x2: () => x.from((endX - frame.left) / frameWidth),
        y2: () => y.from((frame.bottom - endY) / frameHeight),
        stroke: "var(--muted)",
        strokeWidth: 0.75,
      }));
    }
  });
  for (const row of rows) {
    if (row.top > row.bottom) {
      marks.push(
        Plot.ruleX([row], {
          x: "distortion",
          y1: "bottom",
          y2: "top",
          stroke: row.ink,
          strokeWidth: 1.5,
          strokeOpacity: 0.7,
        }),
        // The caps, so that short intervals can be told from points.
        Plot.dot([row.bottom, row.top], {
          x: () => row.distortion,
          y: (end: number) => end,
          symbol: DASH,
          r: 4,
          stroke: row.ink,
          strokeWidth: 1.5,
          strokeOpacity: 0.7,
        }),
      );
    }
    marks.push(Plot.dot([row], {
      x: "distortion",
      y: "perception",
      r: 5,
      fill: row.published ? "var(--paper)" : row.ink,
      stroke: row.ink,
      strokeWidth: 1.75,
    }));
  }
  rows.forEach((row, index) => {
    const box = boxes[index];
    const anchor = anchors[index];
    if (box === undefined || anchor === undefined) return;
    const middle = (box.left + box.right) / 2;
    const side = box.left >= anchor.x
      ? "start"
      : box.right <= anchor.x
      ? "end"
      : "middle";
    const edge = side === "start"
      ? box.left
      : side === "end"
      ? box.right
      : middle;
    marks.push(Plot.text([row], {
      x: "distortion",
      y: "perception",
      text: "label",
      dx: edge - anchor.x,
      dy: (box.top + box.bottom) / 2 - anchor.y,
      textAnchor: side,
      fill: row.published ? "var(--muted)" : "currentColor",
      stroke: "var(--paper)",
      strokeWidth: 3,
    }));
  });
  return draw({
    height,
    marginTop: margin.top,
    marginRight: margin.right,
    marginBottom: margin.bottom,
    marginLeft: margin.left,
    x: { domain: xEnds },
    y: { domain: yEnds, type: scale },
    marks,
  }, options.title ?? "Perception-distortion frontier");
}

/**
 * Draws one bar per operating point, a panel per horizon.
 *
 * Intervals are lines, seeds are dots, the paper's numbers hollow diamonds.
 *
 * Source: Figure 4.
 *
 * @param bars at least one; their order is kept
 * @param options headings
 * @returns SVG text that stands alone, for light and dark pages
 * @throws {RangeError} if there is no bar or a number is not finite
 */
export function barPlot(
  bars: readonly Bar[],
  options: BarOptions,
): string {
  checkSome("bars", bars.length);
  for (const bar of bars) {
    checkFinite("bars", bar.label, [
      bar.value,
      bar.low,
      bar.high,
      bar.published,
      ...(bar.seeds ?? []),
    ]);
  }
  const labels = [...new Set(bars.map((bar) => bar.label))];
  const groups = [...new Set(bars.map((bar) => bar.group))];
  const rows = bars.map((bar) => ({
    ...bar,
    low: bar.low ?? bar.value,
    high: bar.high ?? bar.value,
    end: Math.max(
      0,
      bar.value,
      bar.high ?? bar.value,
      bar.published ?? bar.value,
      ...(bar.seeds ?? []),
    ),
    text: formatNumber(bar.value),
  }));
  const least = Math.min(
    0,
    ...rows.flatMap((row) => [row.value, row.low, ...(row.seeds ?? [])]),
  );
  const most = Math.max(...rows.map((row) => row.end));
  const seeds = bars.flatMap((bar) =>
    (bar.seeds ?? []).map((value) => ({
      label: bar.label,
      group: bar.group,
      value,
    }))
  );
  const longest = Math.max(...labels.map((label) => label.length));
  const panel = labels.length * 26 + 24;
  const place = { y: "label", fy: "group" } as const;
  return draw({
    height: groups.length * panel + 64,
    marginTop: 12,
    marginLeft: Math.min(longest * LETTER, 220) + 16,
    marginRight: Math.max(...groups.map((group) => group.length)) * LETTER +
      16,
    marginBottom: 44,
    x: {
      domain: [least * 1.05, (most - least) * 1.14 + least || 1],
    },
    y: { domain: labels, padding: 0.22 },
    fy: { domain: groups, padding: 0.1 },
    marks: [
      Plot.gridX({ ticks: 6, stroke: "currentColor", strokeOpacity: 0.12 }),
      Plot.axisX({
        label: options.label,
        labelArrow: "none",
        ticks: 6,
        tickSize: 0,
        tickFormat: tickText,
        fontVariant: "tabular-nums",
      }),
      Plot.axisY({ label: null, tickSize: 0 }),
      Plot.axisFy({ label: null, fontWeight: "bold" }),
      Plot.barX(rows, {
        ...place,
        x: "value",
        fill: "var(--series-1)",
        fillOpacity: 0.4,
      }),
      Plot.ruleX([0], { stroke: "currentColor", strokeOpacity: 0.6 }),
      Plot.ruleY(rows.filter((row) => row.high > row.low), {
        ...place,
        x1: "low",
        x2: "high",
        stroke: "currentColor",
        strokeWidth: 1.5,
      }),
      Plot.dot(seeds, {
        ...place,
        x: "value",
        r: 3,
        fill: "var(--series-1)",
        stroke: "var(--paper)",
        strokeWidth: 0.75,
      }),
      Plot.dot(rows.filter((row) => row.published !== undefined), {
        ...place,
        x: "published",
        r: 5,
        symbol: "diamond",
        fill: "var(--paper)",
        stroke: "var(--series-2)",
        strokeWidth: 1.75,
      }),
      Plot.text(rows, {
        ...place,
        x: "end",
        text: "text",
        dx: 9,
        textAnchor: "start",
        fontVariant: "tabular-nums",
      }),
    ],
  }, options.title ?? options.label);
}

/** Moves label heights apart, keeping their order. */
function spread(heights: readonly number[], bottom: number): number[] {
  const order = heights.map((_, index) => index)
    .sort((a, b) => (heights[a] ?? 0) - (heights[b] ?? 0));
  const placed = [...heights];
  let above = -Infinity;
  for (const index of order) {
    above = Math.max(heights[index] ?? 0, above + LINE_HEIGHT);
    placed[index] = above;
  }
  let below = bottom + LINE_HEIGHT;
  for (const index of order.toReversed()) {
    below = Math.min(placed[index] ?? 0, below - LINE_HEIGHT);
    placed[index] = below;
  }
  return placed;
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
      dy: (places[index] ?? 0) - (ends[index] ?? 0),
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

/**
 * Replaces the variables of a figure by its colours on white.
 *
 * A rasterizer knows neither `var()` nor media queries.
 *
 * @param svg SVG text of this room
 * @returns SVG text with plain colours and no style sheet
 */
export function flattenColours(svg: string): string {
  return svg
    .replace(/<style[^>]*>[\s\S]*?<\/style>/g, "")
    .replace(
      /var\((--[\w-]+)\)/g,
      (whole, name: string) => COLOURS[name]?.[0] ?? whole,
    )
    .replaceAll("currentColor", COLOURS["--ink"]?.[0] ?? "#000000");
}
