import {
  encodeLatents,
  type LatentShards,
  LatentStore,
  takeRows,
} from "../data/latents.ts";
import type { Artifact } from "../experiment/artifact.ts";
import { digestJson } from "../experiment/artifact_files.ts";
import { digestBytes } from "../formats/digest.ts";
import { key } from "../tensor/philox.ts";
import { normal } from "../tensor/random.ts";
import type { LabWindow } from "./data.ts";
import type { Lab } from "./lab.ts";
import type { PartName } from "./latents.ts";
import { isFrameByFrame } from "./model_plan.ts";
import {
  type KeptWeights,
  type ModelSpec,
  modelTokens,
  trainedModel,
  training,
  weightsOf,
} from "./models.ts";

/** Name of a stream of noise, as `key` takes it. */
export type NoiseName = readonly [
  stream: string,
  seed: number,
  ...indices: (number | string)[],
];

/** One future to predict: of which window, from which noise. */
export interface Draw {
  /** The window. */
  readonly window: LabWindow;
  /** Stream of the noise; one pass needs none. */
  readonly noise?: NoiseName;
  /** (H, 2) actions normalized as the recorded ones, if not these. */
  readonly actions?: Float32Array<ArrayBuffer>;
  /** (channels, height, width) latents of the present, if not the window's. */
  readonly present?: Float32Array<ArrayBuffer>;
}

/** Futures to predict. */
export interface FuturesSpec {
  /** By which model. */
  readonly model: ModelSpec;
  /** Which of its weights. Default as {@linkcode weightsOf}. */
  readonly weights?: KeptWeights;
  /** Part of the dataset that the windows are of. */
  readonly part: PartName;
  /** The futures, in the order they are kept in. */
  readonly draws: readonly Draw[];
  /** Scale of guidance. Default 1, for none. */
  readonly guidance?: number;
  /** Sampling steps. Default those of the run, for the recipe. */
  readonly ddimSteps?: number;
}

/** Predicted futures, on disk. */
export class Futures implements Disposable {
  /** How many. */
  readonly count: number;
  /** H */
  readonly horizon: number;
  /** Step h of future i is row i H + h. */
  readonly store: LatentStore;
  /** Digest of them as an artifact. */
  readonly digest: string;
  /** Seconds that it took to predict them. */
  readonly seconds: number;

  /**
   * Holds what was opened.
   *
   * @param store step h of future i is row i H + h
   * @param horizon H
   * @param made them as an artifact
   */
  constructor(
    store: LatentStore,
    horizon: number,
    { digest, record }: Pick<Artifact<unknown>, "digest" | "record">,
  ) {
    this.store = store;
    this.horizon = horizon;
    this.digest = digest;
    this.seconds = record.seconds;
    this.count = store.frames / horizon;
  }

  /**
   * Reads one step of some futures.
   *
   * @param draws numbers of the futures
   * @param step of the horizon, from 0
   * @returns (draws, channels, height, width)
   */
  at(draws: readonly number[], step: number): Float32Array<ArrayBuffer> {
    return takeRows(this.store, draws.map((i) => i * this.horizon + step));
  }

  /**
   * Reads a whole future.
   *
   * @param draw its number
   * @returns (H, channels, height, width)
   */
  whole(draw: number): Float32Array<ArrayBuffer> {
    return this.store.read(draw * this.horizon, (draw + 1) * this.horizon);
  }

  /** Closes the files. */
  [Symbol.dispose](): void {
    this.store[Symbol.dispose]();
  }
}

/**
 * The noise of a window: the same whatever other windows and scenes there are.
 *
 * @param stream what is sampled
 * @param seed of the run
 * @param window which
 * @param sample which of several samples of the window, if there are
 */
export function windowNoise(
  stream: string,
  seed: number,
  { scene, start }: Pick<LabWindow, "scene" | "start">,
  ...sample: number[]
): NoiseName {
  return [stream, seed, scene, start, ...sample];
}

/** What decides a draw, in short. */
export function describeDraw({ window, noise, actions, present }: Draw) {
  const digest = (values: Float32Array<ArrayBuffer>) =>
    digestBytes(
      new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    );
  return {
    window: window.id,
    row: window.row,
    noise,
    ...(actions === undefined ? {} : { actions: digest(actions) }),
    ...(present === undefined ? {} : { present: digest(present) }),
  };
}

/**
 * Finds futures, or predicts them batch by batch: one batch is in memory at a
 * time, and what is kept is not predicted again.
 *
 * @param lab windows and parameters
 * @param spec which futures; the model is trained if need be
 * @throws {Interrupted} if it was asked to stop
 */
export async function futures(lab: Lab, spec: FuturesSpec): Promise<Futures> {
  const { gpu, context: { interrupt } } = lab;
  const { horizon, evalBatch } = lab.params;
  const { draws, guidance = 1 } = spec;
  const weights = weightsOf(lab, spec.model, spec.weights);
  const isSampled = spec.model.mode === "diffusion";
  const steps = spec.ddimSteps ??
    (isFrameByFrame(spec.model) ? lab.params.frameSteps : lab.params.ddimSteps);
  const [part, tokens] = [
    await lab.part(spec.part),
    await modelTokens(lab, spec.model, spec.part),
  ];
  const { tokensPerFrame, patchDim } = tokens;
  const { digest: model } = await training(lab, spec.model);
  const described = draws.map(describeDraw);
  const shards = (directory: string): LatentShards => ({
    directory,
    digest: model,
    frames: draws.length * horizon,
    size: tokensPerFrame * patchDim,
    // A shard holds what one forward pass gives.
    shard: evalBatch * horizon,
  });
  const made = await lab.make({
    by: import.meta.url,
    kind: "futures",
    spec: {
      weights,
      draws: digestJson(described, "draws"),
      count: draws.length,
      batch: evalBatch,
      ...(isSampled ? { steps, guidance } : {}),
    },
    from: [model, part.digest],
  }, async (folder) => {
    using trained = await trainedModel(lab, spec.model, weights);
    const line = lab.context.progress("sample");
    const encoded = await encodeLatents({
      ...shards(folder.path),
      encode: async function* (start, end) {
        using _ = gpu.scope();
        const some = draws.slice(start / horizon, end / horizon);
        const given = tokens.conditions(
          gpu,
          some.map(({ window: { row }, noise: _, ...own }) => ({
            row,
            ...own,
          })),
        );
        const shape = [some.length, horizon * tokensPerFrame, patchDim];
        const future = isSampled
          ? trained.model.sample(
            given,
            normal(gpu, shape, some.map((draw) => key(...noiseOf(draw)))),
            { steps, guidance, check: () => interrupt.check() },
          )
          : trained.model.predict(given);
        yield tokens.latents(await future.read() as Float32Array);
      },
      progress: (rows) =>
        line.update({ done: rows / horizon, total: draws.length }),
      shouldStop: () => interrupt.requested,
    });
    line.end();
    if (encoded === undefined) lab.stop("sampling");
    return { futures: draws.length };
  });
  const store = await LatentStore.open(shards(made.path));
  return new Futures(store, horizon, made);
}

/**
 * The noise of a draw.
 *
 * @throws {TypeError} if it has none
 */
export function noiseOf({ window, noise }: Draw): NoiseName {
  if (noise !== undefined) return noise;
  throw new TypeError(
    `Cannot sample a future of window ${window.id}: it needs noise`,
  );
}
