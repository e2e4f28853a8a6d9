/**
 * Metrics: plain arrays in, numbers out, in float64 on the CPU.
 *
 * @module
 */

export * from "./agreement.ts";
export * from "./cosine.ts";
export * from "./distributions.ts";
export * from "./energy.ts";
export * from "./features.ts";
export * from "./fid.ts";
export * from "./kid.ts";
export * from "./linalg.ts";
export * from "./motion.ts";
export * from "./neighbors.ts";
export * from "./path.ts";
export * from "./numpy_bootstrap.ts";
export * from "./numpy_random.ts";
export * from "./paired_tests.ts";
export * from "./scene_errors.ts";
export * from "./sharpness.ts";
export * from "./shift.ts";
export * from "./spearman.ts";
export * from "./ssim.ts";
export * from "./statistics.ts";
