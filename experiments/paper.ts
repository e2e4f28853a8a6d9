/**
 * The paper's published numbers, each with its place.
 *
 * @module
 */

/** Numbers of one operating point of the frontier. */
export interface PublishedPoint {
  /** Kernel inception distance. */
  readonly kid: number;
  /** Spread over 100 subsets of 50; not an error bar. */
  readonly kidSpread: number;
  /** Fréchet inception distance. */
  readonly fid: number;
  /** Cosine similarity of latents. */
  readonly cosSim: number;
}

/**
 * Table 2 and Figure 5: 150 windows, the last of 16 steps, real camera frames
 * as the reference. Guidance 2 is in the published data only.
 */
export const TABLE_2: Readonly<Record<string, PublishedPoint>> = {
  direct: { kid: 0.37485, kidSpread: 0.01633, fid: 370.77, cosSim: 0.4708 },
  raw: { kid: 0.29351, kidSpread: 0.01585, fid: 341.87, cosSim: 0.2325 },
  guided: { kid: 0.35756, kidSpread: 0.01568, fid: 379.55, cosSim: 0.2164 },
  interpolated: {
    kid: 0.08392,
    kidSpread: 0.00913,
    fid: 166.55,
    cosSim: 0.3162,
  },
  calibrated: { kid: 0.07823, kidSpread: 0.00942, fid: 162.50, cosSim: 0.2597 },
};

/** Ratio of KID of direct to calibrated diffusion in the abstract. */
export const KID_RATIO = 4.8;

/** Mean cosine similarity over 16 steps and 3,619 windows. */
export const MEAN_COSSIM: Readonly<Record<string, number>> = {
  direct: 0.5269,
  mlp: 0.4840,
  raw: 0.2774,
  copy: 0.4264,
};

/** SSIM against decoded ground truth, last step, 48 windows. */
export const SSIM_LAST: Readonly<Record<string, number>> = {
  direct: 0.5529,
  raw: 0.1385,
};

/** Sharpness as a fraction of the ground truth's, last step, 48 windows. */
export const SHARPNESS_LAST: Readonly<Record<string, number>> = {
  direct: 0.447,
  raw: 1.926,
};

/**
 * Mean L2 distance of the latents of 8 samples of a window, last step, 48
 * windows; in the published data only.
 */
export const DIVERSITY_LAST: Readonly<Record<string, number>> = {
  raw: 44.8046,
  guided: 58.4786,
};

/** The same between the real futures of 8 windows with similar presents. */
export const DIVERSITY_REAL = 59.1463;
