import * as Plot from "@observablehq/plot";
import { type Box, placeLabels } from "./label_placement.ts";
import {
  axisY,
  checkFinite,
  checkSome,
  colour,
  DASH,
  domain,
  draw,
  LETTER,
  LINE_HEIGHT,
  unit,
  WIDTH,
} from "./plot_canvas.ts";

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
