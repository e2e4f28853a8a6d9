import {
  encodeLatents,
  type LatentShards,
  LatentStore,
} from "../data/latents.ts";
import { digestJson } from "../experiment/artifact_files.ts";
import { concat } from "../ops/concat.ts";
import { noGrad } from "../tensor/autograd.ts";
import { key } from "../tensor/philox.ts";
import { normal } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { describeDraw, type Draw, Futures, noiseOf } from "./futures.ts";
import {
  type JumpSpec,
  jumpTokens,
  jumpTraining,
  trainedJump,
} from "./jump.ts";
import { type JumpLabParams, jumpStride } from "./jump_params.ts";
import type { Lab } from "./lab.ts";
import type { Part, PartName } from "./latents.ts";
import type { WeightsKind } from "./models.ts";

/** Chains of jumps to predict. */
export interface ChainsSpec {
  /** By which model. */
  readonly model: JumpSpec;
  /** Which of its weights. Default the averages. */
  readonly weights?: WeightsKind;
  /** Part of the dataset that the windows are of. */
  readonly part: PartName;
  /**
   * One for each chain, in the order they are kept in. Actions, if not the
   * recorded ones, are of all frames of the chain: (links stride, 2).
   */
  readonly draws: readonly Draw[];
  /** Jumps of a chain. Default those of the horizon. */
  readonly links?: number;
  /**
   * Whether each jump begins at the true frame, instead of where the last one
   * led to.
   */
  readonly isForced?: boolean;
}

/** Refuses chains that pass the end of their scene, or lack actions. */
function checkDraws(
  { frameScenes }: Part,
  { draws, isForced = false }: ChainsSpec,
  frames: number,
): void {
  for (const { window: { id, row }, actions } of draws) {
    if (actions !== undefined && actions.length !== 2 * frames) {
      throw new RangeError(
        `Cannot jump ${frames} frames from window ${id}: its actions are ${
          actions.length / 2
        } pairs, needed ${frames}`,
      );
    }
    const isInside = frameScenes[row] !== undefined &&
      frameScenes[row + frames] === frameScenes[row];
    if (isInside || actions !== undefined && !isForced) continue;
    throw new RangeError(
      `Cannot jump ${frames} frames from window ${id}: its part ends the scene before; take fewer links, windows that begin earlier, or the part "whole"`,
    );
  }
}

/** The actions of a jump. */
function jumpActions(
  { actions: recorded }: Part,
  { window: { row }, actions }: Draw,
  { offset, link, stride }: {
    readonly offset: number;
    readonly link: number;
    readonly stride: number;
  },
): Float32Array<ArrayBuffer> {
  const first = link * stride + (actions === undefined ? row + offset : 0);
  return (actions ?? recorded).slice(2 * first, 2 * (first + stride));
}

/**
 * Finds chains of jumps, or predicts them: each jump begins where the last one
 * led to. What is kept has a row for each jump, so that `at(draws, link)` is
 * frame `(link + 1) stride` after the present, and `horizon` the number of
 * jumps. Nothing is clipped.
 *
 * @param lab windows and parameters
 * @param spec which chains; the model is trained if need be
 * @throws {RangeError} if a chain passes the end of its scene and has no
 *   actions of its own, or too few or many
 * @throws {Interrupted} if it was asked to stop
 */
export async function jumpChains(
  lab: Lab<JumpLabParams>,
  spec: ChainsSpec,
): Promise<Futures> {
  const { gpu, params, context: { interrupt } } = lab;
  const { draws, weights = "average", isForced = false } = spec;
  const { links = params.jumpLinks } = spec;
  const { evalBatch, jumpDdimSteps: steps } = params;
  const part = await lab.part(spec.part);
  const stride = jumpStride(params);
  checkDraws(part, spec, links * stride);
  const made = await jumpTraining(lab, spec.model);
  const size = part.latents.size;
  const shards = (directory: string): LatentShards => ({
    directory,
    digest: made.digest,
    frames: draws.length * links,
    size,
    shard: evalBatch * links,
  });
  const isSampled = spec.model.mode === "diffusion";
  const kept = await lab.make({
    by: import.meta.url,
    kind: "chains",
    spec: {
      weights,
      links,
      isForced,
      draws: digestJson(draws.map(describeDraw), "draws"),
      count: draws.length,
      batch: evalBatch,
      ...(isSampled ? { steps } : {}),
    },
    from: [made.digest, part.digest],
  }, async (folder) => {
    using trained = await trainedJump(lab, spec.model, weights);
    const tokens = await jumpTokens(lab, spec.model, spec.part);
    const { tokensPerFrame, patchDim } = tokens;
    const line = lab.context.progress("jump");
    const encoded = await encodeLatents({
      ...shards(folder.path),
      encode: async function* (start, end) {
        using _ = gpu.scope();
        const some = draws.slice(start / links, end / links);
        const shape = [some.length, tokensPerFrame, patchDim];
        const led: Tensor[] = [];
        for (let link = 0; link < links; link++) {
          interrupt.check();
          const given = tokens.conditions(
            gpu,
            some.map((draw) => ({
              row: draw.window.row + (isForced ? link * stride : 0),
              actions: jumpActions(part, draw, {
                offset: params.actionOffset,
                ...{ link, stride },
              }),
              ...(draw.present && link === 0 ? { present: draw.present } : {}),
            })),
          );
          const from = isForced ? undefined : led[link - 1];
          const anchored = { ...given, ...(from ? { present: from } : {}) };
          led.push(
            isSampled
              ? trained.model.sample(
                anchored,
                normal(
                  gpu,
                  shape,
                  some.map((draw) => key(...noiseOf(draw), link)),
                ),
                { steps, check: () => interrupt.check() },
              )
              : trained.model.predict(anchored),
          );
        }
        const all = noGrad(() => concat(led, 1)); // (B, links S, P)
        yield tokens.latents(await all.read() as Float32Array);
      },
      progress: (rows) =>
        line.update({ done: rows / links, total: draws.length }),
      shouldStop: () => interrupt.requested,
    });
    line.end();
    if (encoded === undefined) lab.stop("jumping");
    return { chains: draws.length };
  });
  const store = await LatentStore.open(shards(kept.path));
  return new Futures(store, links, kept);
}
