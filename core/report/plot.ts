/**
 * Every figure, as SVG text.
 *
 * @module
 */

export { type Bar, type BarOptions, barPlot } from "./bar_plot.ts";
export {
  type Bracket,
  type BracketOptions,
  bracketPlot,
  type GroupedBar,
} from "./bracket_plot.ts";
export {
  type FrontierOptions,
  frontierPlot,
  type FrontierPoint,
} from "./frontier_plot.ts";
export {
  type Line,
  type LineOptions,
  linePlot,
  type LinePoint,
} from "./line_plot.ts";
export { type PathPair, type PathPanel, pathPlot } from "./path_plot.ts";
export {
  type ScatterOptions,
  type ScatterPanel,
  scatterPlot,
} from "./scatter_plot.ts";
export { flattenColours } from "./plot_canvas.ts";
