import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { formatNumber } from "./table.ts";

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
/** Width of a picture, in pixels. */
export const WIDTH = 680;
const FONT_SIZE = 12;
/** Mean width of a letter, a little more than system fonts have. */
export const LETTER = 6.7;
/** Distance of lines of text, in pixels. */
export const LINE_HEIGHT = 15;

/** A horizontal dash as a symbol of Plot, 8 pixels wide. */
export const DASH = {
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

/** Colour of a series, counted from 0. */
export function colour(index: number): string {
  return `var(--series-${index % SERIES + 1})`;
}

/** Draws marks as SVG text that stands alone, for light and dark pages. */
export function draw(options: Plot.PlotOptions, title: string): string {
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

/** @throws {RangeError} if a number of a label is not finite */
export function checkFinite(
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

/** @throws {RangeError} if there is nothing to draw */
export function checkSome(what: string, count: number): void {
  if (count === 0) {
    throw new RangeError(`Cannot draw ${what}: it needs at least one point`);
  }
}

/** The ends of an axis, a little beyond what it shows. */
export function domain(
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

/** A number as an axis shows it. */
export function tickText(value: number): string {
  const rounded = Number(value.toPrecision(6));
  return Math.abs(rounded) >= 1e-4 && Math.abs(rounded) < 1e6 || rounded === 0
    ? String(rounded).replace("-", "\u2212")
    : formatNumber(rounded);
}

/** Values to fractions of an axis, and back. */
export function unit(
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

/** The vertical axis with its grid. */
export function axisY(
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
