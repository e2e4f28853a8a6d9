/**
 * Places where the paper and what produced its numbers differ: encoders and the
 * diagnosis, Sections 5.1 and 5.2.
 *
 * @module
 */

import { listed } from "./difference_rows.ts";

const AS_CODE = "as the code";

/** Of the encoders: Section 5.1. */
export const ENCODER_DIFFERENCES = listed([
  [
    "Projection",
    "frozen, random, orthogonal",
    "a trained layer",
    "as the code; --adapter orthogonal for the paper's",
  ],
  ["Dropout", "not mentioned", "0.1", AS_CODE],
  [
    "\u00b1 of Table 1",
    "unexplained",
    "no formula gives all six of steering",
    "bootstrap intervals over scenes",
  ],
  [
    "16 frames against 1",
    "differ in temporal context alone",
    "3 keyframes stretched to 16 frames, and 8 times the tokens",
    "real clips, stretched ones and one frame 16 times",
  ],
  [
    "Paired tests",
    "p below 0.001, d above 0.68",
    "reproduce with d_z",
    "d_z, named so",
  ],
  [
    "Intervals",
    "by bootstrap",
    "1,000 resamples, percentiles, seed 42 and on",
    AS_CODE,
  ],
  ["Degrees", "none", "a constant that is off by 10", "the right constant"],
  [
    "Night, rain, masks, maps, cloning",
    "contributions without numbers",
    "pilots alone, two with faults",
    "night and rain by exp:encoders",
  ],
  [
    "Label of Figure 2",
    "64 frames",
    "16 frames",
    "16 frames",
  ],
  [
    "Ranks of encoders of one frame",
    "self-supervised, supervised, contrastive",
    "of scene means; pooling frames swaps them",
    "both ranks are columns",
  ],
]);

const NOT_TRAINED = "not trained here";

/** Of the diagnosis: Section 5.2. */
export const DIAGNOSIS_DIFFERENCES = listed([
  [
    "Fourier features",
    "learned, sin(2 pi f a)",
    "fixed, pi 2^k, then an MLP",
    NOT_TRAINED,
  ],
  [
    "adaLN-Zero",
    "h = alpha Attn(gamma LN + beta)",
    "a plain residual; the spatial ones do not start at zero",
    NOT_TRAINED,
  ],
  [
    "88.5 %",
    "of the gap to the MLP, over all",
    "one encoder, seed and step, to direct regression",
    NOT_TRAINED,
  ],
  [
    "Spatial transformer against MLP",
    "+0.020, +0.023 at 12 million",
    "against 1.3 million; matched +0.002, +0.009",
    NOT_TRAINED,
  ],
  [
    "Interaction",
    "0.007 to 0.020",
    "gains of one seed; the interaction is 0.006 to 0.014",
    NOT_TRAINED,
  ],
  [
    "Why the transformer is worse at first",
    "its objective",
    "it has no places for the steps of the horizon, too",
    NOT_TRAINED,
  ],
  [
    "Averaged weights",
    "used",
    "raw in some runs, averaged in others, none of the MLP",
    NOT_TRAINED,
  ],
  ["Means", "by scene, all metrics", "over windows", NOT_TRAINED],
  ["Actions", "a from t+1 on", "from t on", NOT_TRAINED],
  [
    "MLP baseline",
    "384-512-384, residual",
    "768-512-512-384H",
    NOT_TRAINED,
  ],
  [
    "Training",
    "silent",
    "100 epochs at 1e-4 against 50 at 1e-3",
    NOT_TRAINED,
  ],
  ["Sampling", "50 steps", "from step 980", NOT_TRAINED],
  [
    "Spatial runs of 4 steps",
    "not mentioned",
    "of empty images",
    NOT_TRAINED,
  ],
]);
