import * as Plot from "@observablehq/plot";
import {
  checkFinite,
  checkSome,
  draw,
  LETTER,
  tickText,
} from "./plot_canvas.ts";
import { formatNumber } from "./table.ts";

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
