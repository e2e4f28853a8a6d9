/**
 * A worker thread that reads, crops and resizes frames.
 *
 * @module
 */

import { loadFrame } from "./frame_job.ts";
import type { FrameJob } from "./frame_job.ts";

declare const self: Worker;

self.onmessage = async ({ data }: MessageEvent<FrameJob>) => {
  self.postMessage(await loadFrame(data));
};
