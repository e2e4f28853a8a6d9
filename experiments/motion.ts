/**
 * Section 5.4, Figures 6 and 7: do predicted frames move, or only change?
 *
 * Claim under test: futures of diffusion keep the change of textures and do not
 * move; direct regression keeps more low-frequency motion, by either protocol.
 *
 * @module
 */

import { above, below, type Claim, claim } from "../core/experiment/claims.ts";
import { start } from "../core/experiment/experiment.ts";
import type { Finding } from "../core/experiment/findings.ts";
import { labExperiment } from "../core/lab/experiment.ts";
import { motionFinding } from "../core/lab/motion_finding.ts";
import * as results from "../core/lab/motion_results.ts";
import * as run from "../core/lab/motion_run.ts";
import { RECIPE_TITLES } from "../core/lab/pair.ts";
import { joinFindings } from "../core/lab/pair_results.ts";
import { jumpLabParams } from "../core/lab/jump_params.ts";
import { MOTION, MOTION_CLAIMS, MOTION_PROTOCOLS } from "./paper.ts";

/** Nearer to all of the real change than to half of it. */
const KEEPS = 0.75;

/** And to none of it. */
const LOSES = 0.25;

/** Displacement of a tenth of the real one: near zero. */
const STILL = 0.1;

/** Of an interval of two paired differences that decide one claim: Bonferroni. */
const PAIRED = 1 - 0.05 / 2;

/** Points of Figure 7, what happened first. */
const SHOWN = ["real", "direct", "raw", "calibrated"];

function claimsOf(
  { rows: { all = [] } }: run.MeasuredMotion,
  seed: number,
): Claim[] {
  const of = (name: string) => all.find((one) => one.name === name)!;
  const [direct, raw] = [of("direct"), of("raw")];
  const share = (...of: [results.MotionRow, results.MotionMeasure]) =>
    results.motionRatio(...of, "ratio of means", seed);
  const gap = (...pair: [results.RatioOf, results.RatioOf]) =>
    results.motionGap(...pair, seed, PAIRED);
  const steps = ["low", "ratio of means"] as const;
  const links = ["linkLow", "mean of ratios"] as const;
  return [
    claim(
      "texture",
      "Diffusion keeps high-frequency change: share of the real one",
      share(raw, "high"),
      above(KEEPS),
      MOTION_CLAIMS.texture,
    ),
    claim(
      "displacement",
      "And does not move: displacement in whole pixels over the real one",
      share(raw, "shift"),
      below(STILL),
      MOTION_CLAIMS.displacement,
    ),
    claim(
      "displacement-subpixel",
      "The same in parts of pixels (not in the paper)",
      share(raw, "subpixel"),
      below(STILL),
    ),
    claim(
      "blur",
      "Direct regression loses high-frequency change",
      share(direct, "high"),
      below(LOSES),
      MOTION_CLAIMS.blur,
    ),
    claim(
      "low",
      "Direct regression keeps more low-frequency change than diffusion, by the protocol of Figure 6: paired gap",
      gap([direct, ...steps], [raw, ...steps]),
      above(0),
      MOTION_CLAIMS.gap,
    ),
    claim(
      "low-links",
      "The same by the protocol of the jump model: links from the present, mean of ratios",
      gap([direct, ...links], [raw, ...links]),
      above(0),
    ),
    claim(
      "excess",
      "That of diffusion is not more than what happened (not in the paper): low-frequency share",
      share(raw, "low"),
      below(1),
    ),
    claim(
      "single",
      "Direct regression, a single pass, captures less than half of the motion by the protocol of Figure 6",
      share(direct, "low"),
      below(0.5),
      MOTION_CLAIMS.single,
    ),
    claim(
      "protocols",
      "The protocol alone makes that number larger: by the jump model's less by Figure 6's, of equal windows",
      gap([direct, ...links], [direct, ...steps]),
      above(0),
      MOTION_CLAIMS.protocols,
    ),
    claim(
      "direction",
      "Where direct regression moves, it moves as the scene does: mean cosine in parts of pixels (the paper's is of whole pixels)",
      results.motionMean(direct, "subpixelDirection", seed),
      above(0),
      MOTION_CLAIMS.direction,
    ),
  ];
}

/** `deno task exp:motion`. */
export const motion = labExperiment({
  name: "motion",
  source: "Section 5.4, Figures 6 and 7",
  title: "Do predicted frames move?",
  params: jumpLabParams,
  presets: run.MOTION_PRESETS,
  stages: run.motionStages,
  work: run.motionWork,
  async run(context) {
    const { lab, params } = context;
    const found: Record<string, Finding> = {};
    for (const [recipe, pairs] of run.recipesOf(params)) {
      const { points: jumps, unmeasured } = run.jumpMotion(params, pairs);
      const points = [...run.pairMotion(pairs, params.guidance), ...jumps];
      const measured = await run.runMotion(context, points);
      found[recipe] = {
        lead: `Recipe ${recipe} (${RECIPE_TITLES[recipe]}).`,
        claims: claimsOf(measured, params.seeds[0]!),
        ...await motionFinding(lab, points, measured, SHOWN, {
          sets: MOTION,
          protocols: MOTION_PROTOCOLS,
          unmeasured,
        }),
      };
    }
    return joinFindings(found);
  },
});

await start(motion, import.meta);
