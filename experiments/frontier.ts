/**
 * Section 5.3, Table 2, Figures 4 and 5: the perception-distortion frontier.
 *
 * Claim under test: of two models that are trained alike, direct regression is
 * closer to what happened, and diffusion is closer to real frames.
 *
 * @module
 */

import * as claims from "../core/experiment/claims.ts";
import { start } from "../core/experiment/experiment.ts";
import type { Finding } from "../core/experiment/findings.ts";
import { labExperiment } from "../core/lab/experiment.ts";
import * as figures from "../core/lab/figures.ts";
import type { Lab } from "../core/lab/lab.ts";
import * as pair from "../core/lab/pair.ts";
import * as results from "../core/lab/pair_results.ts";
import { cosinesOverTime } from "../core/lab/pair_scores.ts";
import { labParams, labPresets } from "../core/lab/params.ts";
import { checkNote, diversityNote } from "../core/lab/notes.ts";
import { futurePictures } from "../core/lab/pictures.ts";
import type { PointScores } from "../core/lab/metrics.ts";
import { gapOf, ratioOf, scoreTable, unseenTable } from "../core/lab/tables.ts";
import { DIVERSITY_REAL, FRONTIER, MEAN_COSSIM, TABLE_2 } from "./paper.ts";

const { above, below, between, claim, named } = claims;

/** The paper's claims at the last step, with the margins that are asked for. */
function claimsOf(
  points: results.PairPoints<PointScores>,
  dispersion: readonly number[],
): claims.Claim[] {
  const { direct, raw, interpolated, calibrated, copy } = points;
  const of = (point: PointScores, metric: string) => ({
    ...point[metric]!,
    decimals: 3,
  });
  const ratio = (metric: string) =>
    ratioOf(direct[metric]!, calibrated[metric]!);
  const gap = (metric: string) => gapOf(direct[metric]!, calibrated[metric]!);
  return [
    claim(
      "perception",
      "Calibrated diffusion is closer to real frames than direct regression, by the ratio of KID",
      ratio("kid"),
      above(1.6),
      FRONTIER.kidRatio,
    ),
    claim("perception-gap", "And by its difference", gap("kid"), above(0.04)),
    claim(
      "perception-fid",
      "The same holds for the ratio of FID",
      ratio("fid"),
      above(1.2),
      FRONTIER.fidRatio,
    ),
    claim(
      "distortion",
      "Direct regression is closer to what really happened, by the difference of CosSim",
      gap("cosSim"),
      above(0.07),
      FRONTIER.cosSimGap,
    ),
    claim("distortion-ssim", "And by that of SSIM", gap("ssim"), above(0.08)),
    claim(
      "between",
      "Interpolation lies between the two on CosSim",
      of(interpolated, "cosSim"),
      between(
        named("raw", of(raw, "cosSim")),
        named("direct", of(direct, "cosSim")),
      ),
    ),
    claim(
      "calibration",
      "Calibration from training windows is as good as that from test windows, by the difference of KID",
      gapOf(points.oracle.kid!, calibrated.kid!),
      between(-0.02, 0.02),
    ),
    claim(
      "dispersion",
      "Raw diffusion samples are over-dispersed: deviation over that of real latents, in the channel where it is least",
      { value: Math.min(...dispersion), decimals: 2 },
      above(1.5),
      FRONTIER.dispersion,
      `By channel: ${dispersion.map((x) => x.toFixed(2)).join(", ")}.`,
    ),
    claim(
      "dispersion-kid",
      "Calibration repairs that: KID of raw samples",
      of(raw, "kid"),
      above(named("calibrated", of(calibrated, "kid"))),
    ),
    claim(
      "ceiling",
      "The autoencoder itself costs little: KID of decoded real latents",
      of(points.ceiling, "kid"),
      below(0.04),
    ),
    claim(
      "copy",
      "Calibrated samples are closer to real frames than a copy of the present (not in the paper): KID",
      of(calibrated, "kid"),
      below(named("copy", of(copy, "kid"))),
    ),
  ];
}

/** What one recipe came to, with a pair for each seed. */
async function findingsOf(
  lab: Lab,
  seeds: readonly results.PairResult[],
): Promise<Finding> {
  const [first] = seeds as [results.PairResult];
  const [{ of, scores }, { horizon }] = [first, lab.params];
  const [middle, last] = pair.scoredSteps(horizon).map((i) => `t+${i + 1}`);
  const [early, late] = [results.seedsOf(seeds, 0), results.seedsOf(seeds, 1)];
  const points = results.averagePoints(late);
  const { statistics: { raw, real }, check } = scores[1];
  const { ceiling: _, oracle: __, ...shown } = points;
  const { direct, calibrated, copy } = points;
  const f = ({ kid }: PointScores) => kid!.value.toFixed(3);
  const means = Object.entries(MEAN_COSSIM)
    .map(([name, value]) => `${name} ${value.toFixed(3)}`).join(", ");
  using futures = await pair.pairFutures(lab, of);
  return {
    lead: `${results.pairTitle(first)}: KID ${f(direct)} direct, ${
      f(calibrated)
    } calibrated diffusion, ${f(copy)} copy of the present.`,
    claims: claimsOf(points, raw.std.map((std, c) => std / real.std[c]!)),
    tables: {
      table2: scoreTable(
        `Table 2 at ${last} (${horizon / 2} s)`,
        pair.PAIR_POINTS,
        points,
        TABLE_2,
        "Intervals: 95 % bootstrap over scenes. Published numbers are of another dataset, horizon and feature network: compare orders, not sizes.",
      ),
      unseen: unseenTable(
        `What KID does not see, at ${last}`,
        ...([pair.PAIR_POINTS, points, TABLE_2] as const),
      ),
      middle: scoreTable(
        `The same at ${middle}`,
        pair.PAIR_POINTS,
        results.averagePoints(early),
      ),
    },
    figures: {
      figure5: figures.frontierFigure(
        shown,
        ["copy", "mlp"],
        `Figure 5: perception against distortion at ${last}, bars are 95 % bootstrap intervals over scenes.`,
      ),
      figure4: figures.kidFigure(
        { [middle!]: early, [last!]: late },
        ["direct", "raw", "calibrated", "ceiling"],
        "Figure 4: KID by horizon; dots are seeds, bars 95 % bootstrap intervals over scenes.",
      ),
      cossim: figures.stepFigure(
        await cosinesOverTime(lab, futures),
        "CosSim",
        `CosSim at each step. The paper's means over 16 steps: ${means}.`,
      ),
      ...results.lossFigures(first),
    },
    media: await futurePictures(lab, {
      direct: futures.direct,
      "diffusion, raw sample": futures.raw,
    }),
    data: await results.pairFiles(lab, seeds),
    notes: [
      ...results.trainedNotes(first, lab.params),
      ...(check === undefined ? [] : [checkNote(check, horizon - 1)]),
      diversityNote(lab.params, DIVERSITY_REAL),
    ],
  };
}

/** `deno task exp:frontier`. */
export const frontier = labExperiment({
  name: "frontier",
  source: "Section 5.3, Table 2, Figures 4 and 5",
  title: "The perception-distortion frontier",
  params: labParams,
  presets: labPresets,
  stages: results.pairStages,
  work: (params, windows) =>
    results.pairWork(params, windows, pair.pairsOf(params).length),
  async run(context) {
    const all = await results.runPairs(context, pair.pairsOf(context.params));
    const findings: Record<string, Finding> = {};
    for (const [recipe, seeds] of Map.groupBy(all, ({ of }) => of.recipe)) {
      findings[recipe] = await findingsOf(context.lab, seeds);
    }
    return results.joinFindings(findings);
  },
});

await start(frontier, import.meta);
