/**
 * Places where the paper and what produced its numbers differ in world models,
 * and what is done here: the code's way is the default, the paper's an option where it says so.
 *
 * @module
 */

import { listed } from "./difference_rows.ts";

const AS_CODE = "as the code";
const BOTH = "both are rows";

/** Of the world models: Sections 3, 4.2 to 4.4 and 5.3 to 5.6. */
export const WORLD_MODEL_DIFFERENCES = listed([
  [
    "Fourier frequencies",
    "learned, sin(2 pi f a)",
    "fixed, pi 2^k for k from 0 to 63; the high ones are hashes of float32",
    "as the code; --learned-frequencies for the paper",
  ],
  [
    "adaLN-Zero",
    "gates start at zero, an MLP of the condition",
    "one linear layer of default start, no SiLU; only the last layer is zero",
    AS_CODE,
  ],
  ["Modulation", "gamma LN(x) + beta", "(1 + scale) LN(x) + shift", AS_CODE],
  [
    "Residual output",
    "starts as the identity",
    "starts at the present plus a bias of each place in a patch",
    AS_CODE,
  ],
  [
    "Tokens",
    "H input tokens",
    "1,024 of space and time, joint attention",
    AS_CODE,
  ],
  [
    "Actions of a window",
    "from t+1 to t+H",
    "from t to t+15",
    "as the code; --action-offset 1 for the paper",
  ],
  [
    "Scale of actions",
    "z-scores of training frames",
    "over 6 rad and 10 m/s2, clipped to [-1, 1]",
    AS_CODE,
  ],
  [
    "Guidance",
    "actions are hidden with p = 0.1",
    "the same, but scale 1 wherever it is measured",
    "scale 1, and guided rows beside it",
  ],
  ["Loss", "squared norm", "mean over elements, uniform steps", AS_CODE],
  [
    "Noise schedule",
    "cosine, with the cited clip of beta",
    "no clip; the first step is free of noise",
    AS_CODE,
  ],
  [
    "Autoencoder",
    "the VAE of Stable Diffusion",
    "sd-vae-ft-mse, mean latents",
    "as the code by --vae; else a small one of this project",
  ],
  [
    "Reference of FID and KID",
    "decoded real latents (5.6), real frames (5.3)",
    "camera frames, resized bicubic",
    "as the code, and KID against decoded latents in a column",
  ],
  [
    "Ceiling of the VAE",
    "KID and FID about 0",
    "KID 0.0003 and -0.002, FID 17.7 and 28.7",
    "measured, a row of Table 2",
  ],
  [
    "Windows of Table 2",
    "held-out test",
    "one of each of 150 scenes, one sample",
    AS_CODE,
  ],
  [
    "Figure 4",
    "3 seeds, 600 windows, t+4 and t+16",
    "one seed has all that; two have 300 windows of t+4",
    "every seed at both horizons",
  ],
  [
    "Deviation of KID over seeds",
    "0.076 \u00b1 0.005 beside Table 2",
    "at t+4, by statistics of test windows",
    "seeds of the same setting, by exp:failures",
  ],
  [
    "Calibration of Figure 4",
    "from training windows",
    "from test windows; the legend is wrong",
    BOTH,
  ],
  [
    "Calibration against the oracle",
    "0.078 against 0.086",
    "of 150 and of 600 windows",
    "both of the same windows",
  ],
  [
    "What calibration does",
    "a small offset of each channel",
    "shrinks deviations by 0.36 to 0.42; offsets are 0.07 at most",
    "both are measured, by exp:failures",
  ],
  [
    "Windows of the calibration",
    "the training split",
    "the first of each of 200 training scenes, last step alone",
    AS_CODE,
  ],
  [
    "Interpolation",
    "between direct regression and diffusion",
    "with raw samples",
    AS_CODE,
  ],
  [
    "Bars of KID",
    "error bars",
    "deviation over 100 subsets of one run",
    "named so; intervals are by bootstrap over scenes",
  ],
  [
    "Means",
    "by scene first",
    "over windows; of the frontier there is one a scene",
    "intervals over scenes",
  ],
  [
    "Seeds",
    "three for all results",
    "diffusion at t+4 alone",
    "each row names its own",
  ],
  [
    "Copy of the present",
    "not mentioned",
    "raw diffusion is below it by CosSim at every step",
    "a row of every table",
  ],
  [
    "MLP baseline",
    "384-512-384, matched",
    "384-1024-1024-64: 1.64 and 5.40 million values",
    AS_CODE,
  ],
  [
    "Spatial transformer against MLP",
    "of as many parameters: +0.020, +0.023",
    "of a tenth; of as many +0.0021, +0.0092",
    "not trained here",
  ],
  [
    "Windows of the jump model",
    "30 test scenes",
    "30 overlapping windows of 2 scenes",
    BOTH,
  ],
  [
    "Jumps against one pass",
    "1.02 and less than half",
    "by other protocols; by the same 1.020 and 0.998",
    BOTH,
  ],
  [
    "Larger model beside the jumps",
    "a single-pass model, 0.41",
    "direct regression by raw weights; diffusion has 0",
    BOTH,
  ],
  [
    "Training of the jump model",
    "teacher-forced, mean of actions",
    "AdamW, windows by their motion, own scale; its length is unknown",
    AS_CODE,
  ],
  [
    "Code of the jump model",
    "available",
    "on a branch that is not merged",
    "written from the equations; --jump FILE takes the authors' weights",
  ],
  [
    "Motion fine-tuning",
    "a loss and 30 epochs",
    "its weight is not recorded",
    "--motion-weight, default 1, beside a control without",
  ],
  [
    "Metrics of motion",
    "blurred frames, L2 norm",
    "colour, root mean square; ratio of means and mean of ratios",
    BOTH,
  ],
  [
    "Scenes of the steering sweep",
    "18 of 40, beyond a threshold",
    "any shift of a pixel at all",
    "as the code, and the mean of all scenes",
  ],
  ["Time of the steering sweep", "t+15", "index 15: t+16", AS_CODE],
  [
    "Weights of the steering sweep",
    "averaged",
    "averaged, but Fourier layers raw",
    BOTH,
  ],
  [
    "Inverse control",
    "held-out steering from predicted futures",
    "the model's own made-up futures, a line",
    "both, by exp:inverse",
  ],
  [
    "Copies of training frames",
    "verified by nearest neighbours",
    "distances, no test",
    "tested, with a control, by exp:failures",
  ],
  [
    "Sharpness",
    "twice the deviation",
    "variance of the Laplacian, 1.92",
    AS_CODE,
  ],
  [
    "Sampling",
    "50 steps from pure noise",
    "from step 980, and once more at 0",
    AS_CODE,
  ],
  [
    "Clip before decoding",
    "silent",
    "6 where it is measured, 3 in figures",
    "6 everywhere",
  ],
  [
    "Clip of gradients, start of averages",
    "silent",
    "norm 1 of the network alone; from the initial weights",
    "as the code with --recipe paper at the paper preset",
  ],
  [
    "Filters of resizing",
    "silent",
    "Lanczos to encode, bicubic for the reference",
    AS_CODE,
  ],
  [
    "Split",
    "630, 70 and 150 scenes",
    "the official validation scenes test; 620 and 65 remain",
    AS_CODE,
  ],
  [
    "Names in the repository",
    "",
    "its FID are called spatial, autoregressive",
    "not followed",
  ],
  [
    "Direct regression wins every distortion metric",
    "LPIPS is not shown",
    "LPIPS at t+4 is better of diffusion",
    "LPIPS by --lpips, else a stand-in, a column",
  ],
  [
    "Capacity",
    "0.078 and 0.089",
    "about one deviation over subsets",
    "paired differences over scenes, by exp:capacity",
  ],
]);
