/**
 * A lane of small jobs, for the tests of lanes.
 *
 * @module
 */

import { serveLane } from "../../core/experiment/lanes.ts";
import { full } from "../../core/tensor/create.ts";
import { sum } from "../../core/ops/reduce.ts";

serveLane<{ factor: number }>({
  /** Sums ones on the device; the result is kept as a stage. */
  async count({ gpu, params, run, progress }, input: { n: number }) {
    using _ = gpu.scope();
    progress("").update({ done: input.n, total: input.n, loss: input.n });
    return await run.stage(
      `count-${input.n}`,
      async () => params.factor * await sum(full(gpu, [input.n], 1)).item(),
    );
  },
  add({ params }, { n }: { n: number }) {
    return Promise.resolve(params.factor * n);
  },
  fail(_context, input: { message: string }) {
    return Promise.reject(new Error(input.message));
  },
  /** Goes on until it is asked to stop. */
  async wait({ interrupt, log }) {
    log("waiting");
    while (true) {
      interrupt.check();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  },
});
