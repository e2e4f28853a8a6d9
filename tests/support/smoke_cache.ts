/**
 * Cache that the smoke runs of experiments share, so that each trains nothing
 * that another one trained; by digest and under locks, so that any order will
 * do.
 */
export const SMOKE_CACHE = ".test/smoke-cache";
