import { encodeLatents, LatentStore } from "../../core/data/latents.ts";
import { type Key, key } from "../../core/tensor/philox.ts";
import { normal } from "../../core/tensor/random.ts";
import type { WindowTokens } from "../../core/training/window_tokens.ts";
import { type PreparedData, spaced, type WindowPart } from "./data.ts";
import type { Context, FrontierParams } from "./params.ts";
import { type Mode, type RecipeSeed, stageName, trained } from "./train.ts";

/** One future to predict: of which window, from which noise. */
interface Draw {
  /** Row of the window's present frame. */
  readonly row: number;
  /** Stream of the noise; one pass needs none. */
  readonly noise?: Key;
}

/** Futures to predict, and where they go. */
interface Rollout {
  /** Name of the stage. */
  readonly stage: string;
  /** Folder of the result. */
  readonly directory: string;
  /** The model. */
  readonly mode: Mode;
  /** Windows of the part that the draws are of. */
  readonly tokens: WindowTokens;
  /** The futures, in the order they are kept in. */
  readonly draws: readonly Draw[];
  /** Scale of guidance; 1 for none. */
  readonly guidance?: number;
}

/** A shard holds what one forward pass gave; step h of future i is row i H + h. */
function shardsOf(
  { horizon, evalBatch }: FrontierParams,
  { directory, draws, tokens }: Rollout,
) {
  return {
    directory,
    digest: "futures of this run",
    frames: draws.length * horizon,
    size: tokens.tokensPerFrame * tokens.patchDim,
    shard: evalBatch * horizon,
  };
}

/** Kinds of futures, those that take longest first. */
export const FUTURES = [
  "guided",
  "raw",
  "calibration",
  "moreGuided",
  "moreRaw",
  "direct",
  "mlp",
] as const;

/** A kind of futures. */
export type FutureKind = typeof FUTURES[number];

/**
 * Predicted futures of one recipe and seed, on disk. Step h of the future of
 * test window i is row i H + h.
 */
export interface Futures
  extends Readonly<Record<FutureKind, LatentStore>>, Disposable {
  /** By direct regression. */
  readonly direct: LatentStore;
  /** By the baseline. */
  readonly mlp: LatentStore;
  /** Diffusion's samples. */
  readonly raw: LatentStore;
  /** Diffusion's samples with guidance. */
  readonly guided: LatentStore;
  /** Diffusion's samples of training windows. */
  readonly calibration: LatentStore;
  /** Rows of the present frames of these. */
  readonly calibrationRows: readonly number[];
  /** Test windows that have several samples. */
  readonly several: readonly number[];
  /**
   * Their further samples: sample k, from 1, of the j-th of these windows is
   * future j (K - 1) + k - 1.
   */
  readonly moreRaw: LatentStore;
  /** As `moreRaw`, with guidance. */
  readonly moreGuided: LatentStore;
}

/** Training windows that calibration samples, and test windows sampled again. */
function chosenWindows(params: FrontierParams, { data }: PreparedData) {
  return {
    chosen: spaced([...data.train.rows.keys()], params.calibrationWindows),
    several: spaced([...data.test.rows.keys()], params.diversityWindows),
  };
}

/**
 * The noise of a window: the same whatever other windows and scenes there are.
 *
 * @param stream what is sampled
 * @param seed of the run
 * @param part of the dataset
 * @param window number in the part
 * @param sample which of several samples of the window, if there are
 */
export function windowNoise(
  stream: string,
  seed: number,
  { scenes, starts }: Pick<WindowPart, "scenes" | "starts">,
  window: number,
  ...sample: number[]
): Key {
  return key(stream, seed, scenes[window]!, starts[window]!, ...sample);
}

/** All that is predicted of one recipe and seed. */
function rolloutsOf(
  { params, run }: Context,
  prepared: PreparedData,
  of: RecipeSeed,
): Record<FutureKind, Rollout> {
  const { seed } = of;
  const { train, test } = prepared.data;
  const { diversitySamples, guidance } = params;
  const { chosen, several } = chosenWindows(params, prepared);
  const draw = (
    stream: string,
    part: WindowPart,
    window: number,
    ...sample: number[]
  ): Draw => ({
    row: part.rows[window]!,
    noise: windowNoise(stream, seed, part, window, ...sample),
  });
  const further = several.flatMap((window) =>
    Array.from(
      { length: diversitySamples - 1 },
      (_, k) => draw("further sampling", test, window, k),
    )
  );
  const noisy = test.rows.map((_, i) => draw("test sampling", test, i));
  const plain = test.rows.map((row) => ({ row }));
  const rollout = (
    kind: FutureKind,
    mode: Mode,
    draws: readonly Draw[],
    rest: { tokens?: WindowTokens; guidance?: number } = {},
  ): Rollout => {
    const stage = stageName(of, `sample-${kind}`);
    const directory = run.file("stages", stage);
    const { tokens } = prepared.test;
    return { stage, directory, mode, tokens, draws, ...rest };
  };
  return {
    direct: rollout("direct", "direct", plain),
    mlp: rollout("mlp", "mlp", plain),
    raw: rollout("raw", "diffusion", noisy),
    guided: rollout("guided", "diffusion", noisy, { guidance }),
    calibration: rollout(
      "calibration",
      "diffusion",
      chosen.map((i) => draw("calibration sampling", train, i)),
      { tokens: prepared.train.tokens },
    ),
    moreRaw: rollout("moreRaw", "diffusion", further),
    moreGuided: rollout("moreGuided", "diffusion", further, { guidance }),
  };
}

/**
 * Predicts futures of one kind batch by batch and keeps them on disk: what is
 * there is not predicted again, and one batch is in memory at a time.
 *
 * @param context of the experiment
 * @param prepared windows
 * @param of which recipe and seed; its models are trained
 * @param kind of the futures
 * @throws {Interrupted} if it was asked to stop
 */
export async function sampleFutures(
  context: Context,
  prepared: PreparedData,
  of: RecipeSeed,
  kind: FutureKind,
): Promise<void> {
  const { gpu, params, run, interrupt } = context;
  const job = rolloutsOf(context, prepared, of)[kind];
  const { stage, mode, tokens, draws, guidance = 1 } = job;
  const { horizon, ddimSteps } = params;
  await run.stage(stage, async () => {
    using trainedModel = await trained(context, prepared, of, mode);
    const { model } = trainedModel;
    const line = context.progress(stage);
    const encoded = await encodeLatents({
      ...shardsOf(params, job),
      encode: async function* (start, end) {
        using _ = gpu.scope();
        const some = draws.slice(start / horizon, end / horizon);
        const given = tokens.conditions(gpu, some);
        const { tokensPerFrame, patchDim } = tokens;
        const shape = [some.length, horizon * tokensPerFrame, patchDim];
        const streams = some.flatMap(({ noise }) => noise ?? []);
        const future = mode === "diffusion"
          ? model.sample(given, normal(gpu, shape, streams), {
            steps: ddimSteps,
            guidance,
            check: () => interrupt.check(),
          })
          : model.predict(given);
        yield tokens.latents(await future.read() as Float32Array);
      },
      progress: (rows) =>
        line.update({ done: rows / horizon, total: draws.length }),
      shouldStop: () => interrupt.requested,
    });
    line.end();
    if (encoded === undefined) interrupt.check();
    return { futures: draws.length };
  });
}

/**
 * Opens the futures of one recipe and seed, all of which are predicted.
 *
 * @param context of the experiment
 * @param prepared windows
 * @param of which recipe and seed
 */
export async function openFutures(
  context: Context,
  prepared: PreparedData,
  of: RecipeSeed,
): Promise<Futures> {
  const rollouts = rolloutsOf(context, prepared, of);
  const stores: Partial<Record<FutureKind, LatentStore>> = {};
  for (const kind of FUTURES) {
    const shards = shardsOf(context.params, rollouts[kind]);
    stores[kind] = await LatentStore.open(shards);
  }
  const opened = stores as Record<FutureKind, LatentStore>;
  const { chosen, several } = chosenWindows(context.params, prepared);
  return {
    ...opened,
    several,
    calibrationRows: chosen.map((window) => prepared.data.train.rows[window]!),
    [Symbol.dispose]() {
      for (const store of Object.values(opened)) store[Symbol.dispose]();
    },
  };
}
