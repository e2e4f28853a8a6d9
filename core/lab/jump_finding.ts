/**
 * Everything that an experiment about jumps shows beside its claims.
 *
 * @module
 */

import type { DataFile, Finding } from "../experiment/findings.ts";
import { formatNumber } from "../report/table.ts";
import { lossFigure } from "./figures.ts";
import { jumpNote, type JumpSet } from "./jump_motion.ts";
import { jumpSteps } from "./jump_params.ts";
import { jumpPictures } from "./jump_pictures.ts";
import {
  equalCostSamples,
  JUMP_POINTS,
  type JumpFound,
  type JumpRunParams,
  LINK_COLUMNS,
  sourcesOf,
} from "./jump_run.ts";
import {
  jumpBars,
  jumpFile,
  jumpTable,
  linkFigure,
  linkTable,
  setTitle,
} from "./jump_tables.ts";
import type { Lab } from "./lab.ts";
import type { TrainingFacts } from "./models.ts";
import type { PublishedColumn } from "./tables.ts";

/** Points whose frames are shown. */
const SHOWN = ["jump", "forced", "scheduled", "sampled", "direct"] as const;

/**
 * Gives the trainings that have a loss curve: not those of given files.
 *
 * @param found of one recipe
 */
function curvesOf(
  { facts }: JumpFound,
): Record<string, TrainingFacts> {
  const names: Readonly<Record<string, string>> = JUMP_POINTS;
  return Object.fromEntries(
    Object.entries(facts).filter(([, { curve }]) => curve.step.length > 0)
      .map(([name, own]) => [names[name] ?? name, own]),
  );
}

/**
 * Says what the jump models cost.
 *
 * @param params of the run
 */
function costNote(params: JumpRunParams): string {
  const [all, some] = [params.jumpSamples, equalCostSamples(params)]
    .map((n) => formatNumber(n));
  return `Jump models saw ${all} jumps, drawn with replacement; scheduled sampling saw ${some}, at most as costly: it predicts the anchors before the last one, too.`;
}

/** What the sets are called beside bars. */
const SHORT_TITLES: Readonly<Record<JumpSet["name"], string>> = {
  consecutive: "Published",
  mined: "Mined",
  scenes30: "One a scene",
  all: "All scenes",
};

/**
 * Lists the motion of every window, set by set.
 *
 * @param found of one recipe
 */
function filesOf(
  { sets, windows, rows }: JumpFound,
): Record<string, DataFile> {
  return Object.fromEntries(sets.map(({ name, part, windows: own }) => [
    `windows-${name}`,
    jumpFile(rows[name]!, own.map((i) => windows[part][i]!)),
  ]));
}

/**
 * Lays out what was found of one recipe: motion by set, scores along the chain,
 * losses, pictures, and every window.
 *
 * @param lab networks and frames
 * @param found of the recipe
 * @param published the paper's numbers of motion by set and column
 */
export async function jumpFinding(
  lab: Lab<JumpRunParams>,
  found: JumpFound,
  published: Readonly<
    Record<string, Readonly<Record<string, PublishedColumn>>>
  >,
): Promise<Omit<Finding, "claims">> {
  const { params } = lab;
  const { seeds: [seed = 0] } = params;
  const { rows, sets, windows } = found;
  const steps = jumpSteps(params);
  const titled = sets.map(({ name, part, windows: own }) => ({
    name,
    title: setTitle(name, own.map((i) => windows[part][i]!.scene)),
    rows: rows[name]!,
    published: published[name] ?? {},
  }));
  const links = found.links.map((seeds) => seeds.map(({ points }) => points));
  const titles = { ...JUMP_POINTS, ceiling: "Real latents decoded (ceiling)" };
  const sources = sourcesOf(params, found.pairs[0]!);
  return {
    tables: {
      ...Object.fromEntries(titled.map((set) => [
        `motion-${set.name}`,
        jumpTable(set.title, set.rows, set.published, seed),
      ])),
      links: linkTable(titles, links, steps, LINK_COLUMNS),
    },
    figures: {
      low: jumpBars(
        Object.fromEntries(
          titled.map(({ name, rows }) => [SHORT_TITLES[name], rows]),
        ),
        "low",
        Object.fromEntries(
          titled.map((
            { name, published },
          ) => [SHORT_TITLES[name], published.low?.published ?? {}]),
        ),
        seed,
      ),
      kid: linkFigure(titles, links, steps, "kid", LINK_COLUMNS.kid),
      fid: linkFigure(titles, links, steps, "fid", LINK_COLUMNS.fid),
      loss: lossFigure(
        curvesOf(found),
        "Training loss; of jumps in one pass twice the mean squared error.",
      ),
    },
    media: await jumpPictures(
      lab,
      Object.fromEntries(
        SHOWN.map((name) => [JUMP_POINTS[name], sources[name]]),
      ),
    ),
    data: filesOf(found),
    notes: [jumpNote(params), costNote(params)],
  };
}
