/**
 * Runs the demo's model for long and measures the resident set of the process:
 * `deno task soak [--steps N] [--windows N]`.
 *
 * Training steps first, then sampled windows. Ends with 1 if either grows the
 * resident set by more than the bound after its first tenth.
 *
 * @module
 */

import { Gpu } from "../../mod.ts";
import {
  parseCommand,
  positiveInteger,
} from "../../core/experiment/command.ts";
import { z } from "zod";
import { networkCases } from "./network_cases.ts";

/** Megabytes that work after its first tenth may add. */
const BOUND = 50;

const options = parseCommand(
  z.strictObject({
    _: z.tuple([], "soak takes no words"),
    steps: positiveInteger.default(10_000),
    windows: positiveInteger.default(1_000),
  }),
  [],
  Deno.args,
);

const megabytes = () => Deno.memoryUsage().rss / 2 ** 20;

/**
 * Repeats a case and prints the resident set ten times.
 *
 * @returns megabytes added after the first tenth
 */
async function soak(gpu: Gpu, name: string, times: number): Promise<number> {
  const work = networkCases.find((each) => each.name === name);
  if (work === undefined) throw new Error(`Cannot find the case "${name}"`);
  const run = await work.prepare(gpu);
  const tenth = Math.max(1, Math.floor(times / 10));
  let first = 0;
  for (let done = 1; done <= times; done++) {
    run();
    if (done % 16 === 0) await gpu.sync();
    if (done % tenth !== 0) continue;
    await gpu.sync();
    const now = megabytes();
    if (done === tenth) first = now;
    console.log(`${name}: ${done} times, ${now.toFixed(0)} MB`);
  }
  await gpu.sync();
  return megabytes() - first;
}

using gpu = await Gpu.open();
const batch = 50; // windows of a sampled batch
const grown = {
  training: await soak(gpu, "dit demo step B16", options.steps),
  sampling: await soak(
    gpu,
    "dit demo ddim B50",
    Math.ceil(options.windows / batch),
  ),
};
for (const [what, added] of Object.entries(grown)) {
  console.log(
    `${what} added ${added.toFixed(0)} MB, at most ${BOUND} are asked for`,
  );
}
if (Object.values(grown).some((added) => added > BOUND)) Deno.exit(1);
