/**
 * Section 5.3: capacity, 3.0 M against 5.4 M trained values.
 *
 * Claim under test: of two models that see equally many windows, the larger one
 * is better on every diffusion point, each with a calibration of its own.
 *
 * @module
 */

import { z } from "zod";
import { above, type Claim, claim } from "../core/experiment/claims.ts";
import { start } from "../core/experiment/experiment.ts";
import type { Finding } from "../core/experiment/findings.ts";
import { labExperiment } from "../core/lab/experiment.ts";
import { gapOver } from "../core/lab/gaps.ts";
import * as pair from "../core/lab/pair.ts";
import * as results from "../core/lab/pair_results.ts";
import { labParams, labPresets } from "../core/lab/params.ts";
import * as sizing from "../core/lab/sizes.ts";
import { averagePoint } from "../core/lab/tables.ts";
import { CAPACITY, capacityGain } from "./paper.ts";

const params = labParams.safeExtend({
  capacities: z.array(z.int().min(1)).min(2).refine(
    (list) => list.every((x, i) => i === 0 || x > list[i - 1]!),
    "it needs numbers that grow",
  ).describe(
    "blocks of the transformers that are compared, in place of --blocks; the claim is about the first two",
  ),
});
type Params = z.infer<typeof params>;

/** Operating points that draw samples: the claim is about these. */
const SAMPLED = ["raw", "guided", "calibrated"] as const;
const POINTS = ["direct", ...SAMPLED, "interpolated"] as const;

/** The paper's claim, and the paired differences that decide on it. */
function claimsOf([small, large]: readonly sizing.Size[]): Claim[] {
  const isOneSeed = large!.pairs.length === 1;
  const gaps = (["kid", "cosSim"] as const).flatMap((metric) =>
    SAMPLED.map((point) => ({
      ...{ metric, point },
      ...gapOver(small!.columns, large!.columns, point, metric),
    }))
  );
  // 6: two metrics of three points.
  const sure = gaps.filter(({ low }) => low > 0).length;
  const worse = gaps.filter(({ high }) => high < 0).length;
  return [
    claim(
      "larger-is-better",
      "The larger model is better on every diffusion point: differences whose whole interval is above zero",
      { value: isOneSeed ? null : sure, n: 6, of: "differences" },
      above(5),
      undefined,
      `${small!.title} against ${large!.title}, by KID and CosSim of ${
        SAMPLED.join(", ")
      }: ${sure} of 6 intervals are above zero, ${worse} below. ${
        isOneSeed ? "One seed does not decide it: add --seeds 0,1,2. " : ""
      }The paper has one seed and no interval.`,
    ),
    ...gaps.map(({ metric, point, seeds, value, low, high, n }) =>
      claim(
        `${metric}-${point}`,
        `${pair.PAIR_POINTS[point]}: the larger model is better, by ${
          metric === "kid" ? "KID" : "CosSim"
        }`,
        { value, low, high, n, of: "windows", decimals: 4 },
        above(0),
        capacityGain(metric, point),
        isOneSeed
          ? "Paired over scenes alone: the interval says nothing of another seed."
          : `Paired over seeds and scenes; by seed: ${sizing.listed(seeds)}.`,
      )
    ),
  ];
}

/** What one recipe came to. */
function findingsOf(
  { horizon, samples }: Params,
  sizes: readonly sizing.Size[],
  data: NonNullable<Finding["data"]>,
): Finding {
  const { recipe } = sizes[0]!.pairs[0]!;
  const kids = sizes.map(({ title, scores: { calibrated } }) =>
    `${averagePoint(calibrated).kid!.value.toFixed(3)} with ${title}`
  );
  return {
    lead: `Recipe ${recipe}: KID of calibrated diffusion ${kids.join(", ")}.`,
    claims: claimsOf(sizes),
    tables: {
      capacity: sizing.sizeTable(
        `Capacity at t+${horizon} (${horizon / 2} s)`,
        POINTS,
        sizes,
        CAPACITY,
        "Intervals: 95 % bootstrap over scenes. The paper's two models stand beside the first two sizes: of another dataset and other sizes, compare signs.",
      ),
      gaps: sizing.gapTable(
        "What each size gains over the one before",
        POINTS,
        sizes,
        ["kid", "cosSim", "ssim"],
        "Above zero is better. Paired: the same windows, with the same noise. Intervals: 95 % bootstrap over scenes, and over seeds where there are several; KID without subsets. FID has no interval: none is claimed of it.",
      ),
    },
    figures: {
      capacity: sizing.sizeFigure(
        POINTS,
        sizes,
        `KID at t+${horizon} against trained values. Bands are 95 % bootstrap intervals over scenes; scenes move all sizes together, so the paired differences say more.`,
      ),
      loss: sizing.sizeLosses(sizes),
    },
    data,
    notes: [
      `Every model was trained on ${samples} windows, in the same order and with the same noise at every size; each size has a calibration of its own.`,
    ],
  };
}

/** `deno task exp:capacity`. */
export const capacity = labExperiment({
  name: "capacity",
  source: "Section 5.3",
  title: "Capacity",
  params,
  presets: {
    smoke: { ...labPresets.smoke, capacities: [1, 2] },
    demo: { ...labPresets.demo, capacities: [1, 2, 3] },
    paper: { ...labPresets.paper, capacities: [2, 4, 8] }, // published: 2, 4
  },
  stages: results.pairStages,
  work: (params, windows) =>
    results.pairWork(params, windows, sizing.pairsOfSizes(params).length),
  async run(context) {
    const { lab, params } = context;
    const all = await results.runPairs(context, sizing.pairsOfSizes(params));
    const findings: Record<string, Finding> = {};
    for (const [recipe, own] of Map.groupBy(all, ({ of }) => of.recipe)) {
      const sizes = await sizing.sizesOf(lab, own);
      const data = await sizing.sizeFiles(sizes, `t+${params.horizon}`);
      findings[recipe] = findingsOf(params, sizes, data);
    }
    return results.joinFindings(findings);
  },
});

await start(capacity, import.meta);
