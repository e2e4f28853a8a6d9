/**
 * A thread of the frontier experiment: what its lanes can do.
 *
 * @module
 */

import type { Share } from "../../core/data/latents.ts";
import { serveLane } from "../../core/experiment/lanes.ts";
import { embeddedWorld, encodePart } from "./data.ts";
import type { Context, FrontierParams } from "./params.ts";
import { scoreFutures } from "./points.ts";
import { type FutureKind, sampleFutures } from "./sample.ts";
import { type Mode, type RecipeSeed, trained } from "./train.ts";
import { tuneAutoencoder, tuneFeatureNetwork } from "./tune.ts";
import { Workbench } from "./workbench.ts";

let workbench: Workbench | undefined;

function open(context: Context): Workbench {
  return workbench ??= new Workbench(context);
}

/** The jobs and their inputs. */
const jobs = {
  /** Draws a share of the embedded world. */
  async draw(context: Context, { share }: { share: Share }) {
    const { gpu, params, flags, interrupt } = context;
    const line = context.progress("draw");
    await embeddedWorld(gpu, flags.cache, params, {
      share,
      progress: (done, total) => line.update({ done, total }),
      check: () => interrupt.check(),
    });
  },
  /** Fine-tunes one of the demo's networks. */
  async tune(context: Context, { network }: { network: "vae" | "features" }) {
    const data = await open(context).data();
    return network === "vae"
      ? await tuneAutoencoder(context, data)
      : await tuneFeatureNetwork(context, data);
  },
  /** Encodes a share of the frames of a part. */
  async encode(
    context: Context,
    { part, share }: { part: "train" | "test"; share: Share },
  ) {
    const line = context.progress("encode");
    const facts = await encodePart(await open(context).part(part), {
      share,
      progress: (done, total) => line.update({ done, total }),
      shouldStop: () => context.interrupt.requested,
    });
    if (facts === undefined) {
      context.interrupt.check();
      throw new Error("Stopped while encoding");
    }
    return facts;
  },
  /** Trains a model. */
  async train(
    context: Context,
    { of, mode }: { of: RecipeSeed; mode: Mode },
  ) {
    const prepared = await open(context).prepared();
    using model = await trained(context, prepared, of, mode);
    return model.facts;
  },
  /** Predicts futures of one kind. */
  async sample(
    context: Context,
    { of, kind }: { of: RecipeSeed; kind: FutureKind },
  ) {
    const prepared = await open(context).prepared();
    await sampleFutures(context, prepared, of, kind);
  },
  /** Scores the operating points at one step. */
  async score(
    context: Context,
    { of, step }: { of: RecipeSeed; step: number },
  ) {
    const prepared = await open(context).prepared();
    return await scoreFutures(context, prepared, of, step);
  },
} as const;

/** The jobs of the experiment's lanes. */
export type FrontierJobs = typeof jobs;

serveLane<FrontierParams>(jobs);
