import type { Finding } from "../experiment/findings.ts";
import type { Lab } from "./lab.ts";
import { motionPictures } from "./motion_pictures.ts";
import {
  KNOWN_POINTS,
  type MeasuredMotion,
  type MotionPoint,
} from "./motion_run.ts";
import * as tables from "./motion_tables.ts";
import type { PublishedColumn } from "./tables.ts";

/** The paper's numbers of motion, by column. */
export interface PublishedMotion {
  /** Of each set of windows. */
  readonly sets: Readonly<
    Record<string, Readonly<Record<string, PublishedColumn>>>
  >;
  /** Of each protocol. */
  readonly protocols: Readonly<Record<string, PublishedColumn>>;
  /** Titles of points that the paper alone has, by name. */
  readonly unmeasured: Readonly<Record<string, string>>;
}

/** What a reader must know of measured motion. */
const NOTES = [
  "Every window is sampled from noise of its own; the paper has one noise for all.",
  "The Gaussian that parts low from high frequencies is in proportion to the frame: sigma 8 and 31 taps at 256 pixels, sigma 2 and 9 taps at 64.",
  "Displacements are those of brightness profiles. In whole pixels, as published, they favour 0; in parts of pixels they do not, and texture that changes without moving has them, too: direction tells the two apart.",
];

/**
 * Lays out what was measured: tables of every set and protocol, Figures 6 and
 * 7, and every window's numbers.
 *
 * @param lab of the experiment
 * @param points that were measured, without those that are known
 * @param found of them
 * @param shown names of the points of Figure 7
 * @param published the paper's numbers
 * @throws {Interrupted} if it was asked to stop
 */
export async function motionFinding(
  lab: Lab,
  points: readonly MotionPoint[],
  { sets, rows, parts }: MeasuredMotion,
  shown: readonly string[],
  published: PublishedMotion,
): Promise<Omit<Finding, "claims">> {
  const [seed = 0] = lab.params.seeds;
  const all = [...points, ...KNOWN_POINTS];
  const of = (set: string) => published.sets[set] ?? {};
  const [first] = sets;
  const fast = sets.find(({ name }) => name === "fast")!;
  const { protocols, unmeasured } = published;
  return {
    tables: {
      protocols: tables.protocolTable(rows, protocols, unmeasured, seed),
      ...Object.fromEntries(sets.map((set) => [
        `motion-${set.name}`,
        tables.motionTable(set, rows[set.name]!, of(set.name), seed),
      ])),
    },
    figures: {
      figure6: tables.motionFigure(
        first!,
        rows[first!.name]!,
        of(first!.name),
        seed,
      ),
      protocols: tables.protocolFigure(rows, protocols, seed),
    },
    media: await motionPictures(
      lab,
      shown.map((name) => all.find((one) => one.name === name)!),
      fast.windows,
    ),
    data: { windows: tables.motionFile(parts) },
    notes: NOTES,
  };
}
