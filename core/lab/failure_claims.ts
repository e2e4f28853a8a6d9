/**
 * Claims about failures, of scores and bounds.
 *
 * @module
 */

import {
  above,
  below,
  between,
  type Claim,
  claim,
  type Published,
  type Quantity,
} from "../experiment/claims.ts";
import * as fits from "./failure_fit_results.ts";
import * as results from "./failure_results.ts";
import { FIT_MODES } from "./failure_run.ts";
import type * as tables from "./failure_tables.ts";

/** What claims are of. */
export interface FailureScores {
  readonly modes: Readonly<Record<string, tables.Quantities>>;
  readonly gaps: results.SampleGaps;
  readonly memory: Readonly<Record<string, tables.Quantities>>;
  readonly fit: fits.FitRows;
  readonly kidGap: Quantity;
}

/** Bounds that claims are decided by. */
export interface FailureLimits {
  /** Sharpness of direct regression over that of what happened, at most. */
  readonly blur: number;
  /** That of raw samples, at least. */
  readonly grain: number;
  /** Spread of raw samples in every channel, at least. */
  readonly dispersion: number;
  /** Spread of calibrated samples in every channel. */
  readonly repaired: readonly [number, number];
  /** Offset of raw samples in any channel, in deviations, at most. */
  readonly tint: number;
  /** CosSim that the best sample gains, at least. */
  readonly best: number;
  /** Share that is closer to training, at most. */
  readonly close: number;
  /** Share of copies, at most. */
  readonly copied: number;
  /** The same of the control, at least. */
  readonly control: number;
  /** Part by which the loss on test windows may be larger. */
  readonly overfit: number;
  /** Deviations over seeds of the gap by KID, at least. */
  readonly seeds: number;
}

/** Numbers of the paper that claims are beside. */
export type FailurePublished = Readonly<
  Record<
    "blur" | "grain" | "dispersion" | "diversity" | "best" | "direct",
    Published
  >
>;

/**
 * States what is claimed of failures.
 *
 * @param scores what was found
 * @param limits bounds
 * @param paper its numbers
 */
export function failureClaims(
  { modes, gaps, memory, fit, kidGap }: FailureScores,
  limits: FailureLimits,
  paper: FailurePublished,
): Claim[] {
  const { direct, raw, calibrated } = modes as Record<
    string,
    tables.Quantities
  >;
  const worst = (of: tables.Quantities, key: string, by: "max" | "min") =>
    results.extreme(of, new RegExp(`^${key}\\d+$`), by);
  const near = memory.calibrated!;
  const closer = (space: string) => [
    claim(
      `closer-${space}`,
      `Calibrated samples are not closer to training frames than held-out real frames are, by ${space}: share of pairs`,
      near[`${space}-closer`]!,
      below(limits.close),
    ),
    claim(
      `seen-${space}`,
      `Nor closer to seen than to unseen frames, by ${space}: share of samples`,
      near[`${space}-seen`]!,
      below(limits.close),
    ),
    claim(
      `copied-${space}`,
      `Few are as close as a copy would be, by ${space}: share of samples`,
      near[`${space}-copied`]!,
      below(limits.copied),
    ),
    claim(
      `control-${space}`,
      `That would be seen, by ${space}: share of training frames that went through the VAE once more`,
      memory.control![`${space}-copied`]!,
      above(limits.control),
    ),
  ];
  return [
    claim(
      "blur",
      "Direct regression is less sharp than what happened",
      direct!.sharpness!,
      below(limits.blur),
      paper.blur,
    ),
    claim(
      "grain",
      "Raw diffusion is sharper than what happened",
      raw!.sharpness!,
      above(limits.grain),
      paper.grain,
    ),
    claim(
      "dispersion",
      "Raw samples are over-dispersed: spread in the channel where it is least",
      worst(raw!, "spread", "min"),
      above(limits.dispersion),
      paper.dispersion,
    ),
    claim(
      "repaired",
      "Calibration repairs the spread: in the channel where it is largest",
      worst(calibrated!, "spread", "max"),
      between(...limits.repaired),
    ),
    claim(
      "tint",
      "Raw samples have little tint: offset in the channel where it is largest, in deviations",
      worst(raw!, "offset", "max"),
      below(limits.tint),
    ),
    claim(
      "diversity",
      "Calibrated samples differ less than real futures of windows that look alike: ratio",
      gaps.diversity,
      below(1),
      paper.diversity,
    ),
    claim(
      "best",
      "The best of K samples is closer to what happened than their mean: paired gap of CosSim, raw",
      gaps.best,
      above(limits.best),
      paper.best,
    ),
    claim(
      "best-direct",
      "Direct regression is closer still: paired gap of CosSim to the best of K",
      gaps.direct,
      above(0),
      paper.direct,
    ),
    ...["latents", "features"].flatMap(closer),
    ...FIT_MODES.flatMap((mode) => [
      claim(
        `fit-${mode}`,
        `Training does not over-fit, ${mode}: loss on test windows over that on training windows, less 1`,
        fits.relativeGap(fit[mode]),
        below(limits.overfit),
      ),
      claim(
        `falling-${mode}`,
        `Nor does it begin to: loss on test windows at the end over that at half of the training, ${mode}`,
        fits.lastFall(fit[mode]),
        below(1),
      ),
    ]),
    claim(
      "seeds",
      "The gap of direct and calibrated by KID is large against its spread over seeds: deviations",
      kidGap,
      above(limits.seeds),
    ),
  ];
}
