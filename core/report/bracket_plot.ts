import * as Plot from "@observablehq/plot";
import {
  axisY,
  checkFinite,
  checkSome,
  colour,
  draw,
  LETTER,
  LINE_HEIGHT,
  WIDTH,
} from "./plot_canvas.ts";

/** A bar of a group. */
export interface GroupedBar {
  /** What is compared; its bars stand together. */
  readonly label: string;
  /** Which of its bars. */
  readonly series: string;
  /** Height. */
  readonly value: number;
  /** Lower end of the interval. */
  readonly low: number;
  /** Upper end of the interval. */
  readonly high: number;
  /** The paper's number, drawn as a hollow diamond. */
  readonly published?: number;
}

/** A bracket from one group to another. */
export interface Bracket {
  /** Label of the one end. */
  readonly from: string;
  /** Label of the other. */
  readonly to: string;
  /** Written above. */
  readonly text: string;
}

/** How it is drawn. */
export interface BracketOptions {
  /** Heading of the value axis. */
  readonly label: string;
  /** Spoken name of the picture. */
  readonly title: string;
  /** Brackets over the groups, the lowest first. */
  readonly brackets?: readonly Bracket[];
}

/** Part of the largest value that one bracket needs. */
const STEP = 0.13;

/** Lines of a text, as long as there is room for; words stay whole. */
function wrap(text: string, room: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = [lines.at(-1), word].join(" ");
    if (lines.length > 0 && longer.length <= room) {
      lines[lines.length - 1] = longer;
    } else lines.push(word);
  }
  return lines;
}

/**
 * Draws groups of bars with asymmetric intervals, and brackets that say how
 * groups differ.
 *
 * Source: Figure 2.
 *
 * @param bars at least one; labels in the order of the axis
 * @param options headings and brackets
 * @returns SVG text that stands alone, for light and dark pages
 * @throws {RangeError} if there is no bar, a number is not finite, or a bracket
 *   ends at no label
 */
export function bracketPlot(
  bars: readonly GroupedBar[],
  { label, title, brackets = [] }: BracketOptions,
): string {
  checkSome("bars", bars.length);
  for (const { label, value, low, high, published } of bars) {
    checkFinite("bars", label, [value, low, high, published]);
  }
  const labels = [...new Set(bars.map((bar) => bar.label))];
  const series = [...new Set(bars.map((bar) => bar.series))];
  for (const { from, to } of brackets) {
    const lost = [from, to].find((end) => !labels.includes(end));
    if (lost === undefined) continue;
    throw new RangeError(
      `Cannot draw a bracket to "${lost}": the bars are ${labels.join(", ")}`,
    );
  }
  const top = Math.max(
    ...bars.flatMap(({ high, published = 0 }) => [high, published]),
  );
  const step = STEP * top;
  /** Places on a linear axis: groups at whole numbers, bars about them. */
  const width = 0.72 / series.length;
  const at = (bar: GroupedBar) =>
    labels.indexOf(bar.label) +
    (series.indexOf(bar.series) - (series.length - 1) / 2) * width;
  const placed = bars.map((bar) => ({ ...bar, x: at(bar) }));
  const lines = brackets.map(({ from, to, text }, i) => {
    const [x1, x2] = [labels.indexOf(from), labels.indexOf(to)];
    return { x1, x2, y: top + (i + 0.6) * step, text };
  });
  const end = top + (lines.length + 0.6) * step;
  const fill = (bar: GroupedBar) => colour(series.indexOf(bar.series));
  const room = Math.floor((WIDTH - 80) / labels.length / LETTER);
  const wrapped = labels.map((text) => wrap(text, room));
  const deepest = Math.max(...wrapped.map((lines) => lines.length));
  return draw({
    height: 330 + 22 * lines.length,
    marginTop: 26,
    marginLeft: 62,
    marginBottom: 26 + deepest * LINE_HEIGHT,
    x: { domain: [-0.55, labels.length - 0.45] },
    y: { domain: [0, end] },
    marks: [
      ...axisY(label, [0, end], "linear"),
      Plot.axisX({
        ticks: labels.map((_, i) => i),
        tickFormat: (i: number) => wrapped[i]?.join("\n") ?? "",
        tickSize: 0,
        label: null,
      }),
      Plot.rect(placed, {
        x1: (bar) => bar.x - 0.45 * width,
        x2: (bar) => bar.x + 0.45 * width,
        y1: 0,
        y2: "value",
        fill,
        fillOpacity: 0.5,
      }),
      Plot.dot(placed.filter((bar) => bar.published !== undefined), {
        x: "x",
        y: "published",
        r: 4,
        symbol: "diamond",
        fill: "var(--paper)",
        stroke: "var(--series-2)",
        strokeWidth: 1.75,
      }),
      Plot.ruleX(placed, {
        x: "x",
        y1: "low",
        y2: "high",
        stroke: "currentColor",
        strokeWidth: 1.5,
      }),
      ...lines.map(({ x1, x2, y }) =>
        Plot.line(
          [[x1, y - 0.2 * step], [x1, y], [x2, y], [x2, y - 0.2 * step]],
          { stroke: "currentColor", strokeWidth: 1 },
        )
      ),
      Plot.text(lines, {
        x: ({ x1, x2 }) => (x1 + x2) / 2,
        y: "y",
        text: "text",
        dy: -8,
      }),
      Plot.ruleY([0], { stroke: "currentColor", strokeOpacity: 0.6 }),
      ...series.map((text, i) =>
        Plot.text([text], {
          frameAnchor: "top-right",
          text: (line: string) => line,
          dx: -8,
          dy: i * LINE_HEIGHT - 18,
          fill: colour(i),
          textAnchor: "end",
          fontWeight: "bold",
        })
      ),
    ],
  }, title);
}
