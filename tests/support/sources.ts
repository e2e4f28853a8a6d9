import type { Sources } from "../../core/experiment/sources.ts";

/** Sources of tests whose artifacts no module makes. */
export const NO_SOURCES: Sources = { root: "", digests: {}, uses: {} };
