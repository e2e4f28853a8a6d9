import { cacheLatents, LatentStore } from "../../core/data/latents.ts";
import { CosineNoiseSchedule } from "../../core/diffusion/noise_schedule.ts";
import type { ExperimentContext } from "../../core/experiment/experiment.ts";
import { type Key, key } from "../../core/tensor/philox.ts";
import { normal } from "../../core/tensor/random.ts";
import type { WindowTokens } from "../../core/training/window_tokens.ts";
import type { WorldModel } from "../../core/training/world_model.ts";
import { type PreparedData, spaced } from "./data.ts";
import type { FrontierParams } from "./params.ts";

type Context = ExperimentContext<FrontierParams>;

/** One future to predict: of which window, from which noise. */
interface Draw {
  /** Row of the window's present frame. */
  readonly row: number;
  /** Stream of the noise; one pass needs none. */
  readonly noise?: Key;
}

/** Futures to predict, and where they go. */
interface Rollout {
  /** What the line of progress says. */
  readonly label: string;
  /** Folder of the result. */
  readonly directory: string;
  /** The model. */
  readonly model: WorldModel;
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

/**
 * Predicts futures batch by batch and keeps them on disk: what is there is not
 * predicted again, and one batch is in memory at a time.
 */
async function predict(context: Context, job: Rollout): Promise<void> {
  const { gpu, params, interrupt } = context;
  const { model, tokens, draws, guidance = 1 } = job;
  const { horizon, ddimSteps } = params;
  const schedule = new CosineNoiseSchedule();
  const line = context.progress(job.label);
  const done = await cacheLatents({
    ...shardsOf(params, job),
    encode: async (start, end) => {
      using _ = gpu.scope();
      const some = draws.slice(start / horizon, end / horizon);
      const batch = tokens.batch(gpu, some.map(({ row }) => row));
      const streams = some.flatMap(({ noise }) => noise ?? []);
      const future = model.mode === "diffusion"
        ? model.sample(
          batch,
          schedule,
          normal(gpu, batch.future.shape, streams),
          { steps: ddimSteps, guidance },
        )
        : model.predict(batch);
      return tokens.latents(await future.read() as Float32Array);
    },
    progress: (rows) =>
      line.update({ done: rows / horizon, total: draws.length }),
    shouldStop: () => interrupt.requested,
  });
  line.end();
  if (done === undefined) interrupt.check();
  done?.latents[Symbol.dispose]();
}

/** Models of one recipe and seed. */
export interface Models {
  /** Direct regression. */
  readonly direct: WorldModel;
  /** Latent diffusion. */
  readonly diffusion: WorldModel;
  /** The baseline. */
  readonly mlp: WorldModel;
}

/**
 * Predicted futures of one recipe and seed, on disk. Step h of the future of
 * test window i is row i H + h.
 */
export interface Futures extends Disposable {
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

/**
 * Predicts the futures of all test windows, and those that calibration and
 * diversity need.
 *
 * @param context of the experiment
 * @param prepared windows
 * @param models trained
 * @param seed of the noise
 * @param name gives the name of a stage
 * @throws {Interrupted} if it was asked to stop
 */
export async function sampleFutures(
  context: Context,
  { data, train, test }: PreparedData,
  { direct, diffusion, mlp }: Models,
  seed: number,
  name: (what: string) => string,
): Promise<Futures> {
  const { params, run } = context;
  const { rows } = data.test;
  const { diversitySamples, guidance } = params;
  const calibrationRows = spaced(data.train.rows, params.calibrationWindows);
  const several = spaced([...rows.keys()], params.diversityWindows);
  const draws = (stream: string, list: readonly number[]): Draw[] =>
    list.map((row) => ({ row, noise: key(stream, seed, row) }));
  const further = several.flatMap((window): Draw[] => {
    const row = rows[window]!;
    return Array.from(
      { length: diversitySamples - 1 },
      (_, k) => ({ row, noise: key("further sampling", seed, row, k) }),
    );
  });
  const sampling = name("sample");
  const diversity = name("sample-diversity");
  const job = (
    stage: string,
    kind: string,
    rest: Omit<Rollout, "directory">,
  ): Rollout => ({ directory: run.file("stages", stage, kind), ...rest });
  const plain = rows.map((row) => ({ row }));
  const { tokens } = test;
  const noisy = draws("test sampling", rows);
  const first = {
    direct: job(sampling, "direct", {
      label: "predict, direct",
      model: direct,
      tokens,
      draws: plain,
    }),
    mlp: job(sampling, "mlp", {
      label: "predict, MLP",
      model: mlp,
      tokens,
      draws: plain,
    }),
    raw: job(sampling, "raw", {
      label: "sample, diffusion",
      model: diffusion,
      tokens,
      draws: noisy,
    }),
    guided: job(sampling, "guided", {
      label: "sample, guided",
      model: diffusion,
      tokens,
      draws: noisy,
      guidance,
    }),
    calibration: job(sampling, "calibration", {
      label: "sample, calibration",
      model: diffusion,
      tokens: train.tokens,
      draws: draws("calibration sampling", calibrationRows),
    }),
  };
  const more = {
    moreRaw: job(diversity, "raw", {
      label: "sample again, diffusion",
      model: diffusion,
      tokens,
      draws: further,
    }),
    moreGuided: job(diversity, "guided", {
      label: "sample again, guided",
      model: diffusion,
      tokens,
      draws: further,
      guidance,
    }),
  };
  for (const [stage, jobs] of [[sampling, first], [diversity, more]] as const) {
    await run.stage(stage, async () => {
      for (const each of Object.values(jobs)) await predict(context, each);
      return { futures: Object.values(jobs).map(({ draws }) => draws.length) };
    });
  }
  const open = (each: Rollout) => LatentStore.open(shardsOf(params, each));
  const stores = {
    direct: await open(first.direct),
    mlp: await open(first.mlp),
    raw: await open(first.raw),
    guided: await open(first.guided),
    calibration: await open(first.calibration),
    moreRaw: await open(more.moreRaw),
    moreGuided: await open(more.moreGuided),
  };
  return {
    ...stores,
    calibrationRows,
    several,
    [Symbol.dispose]() {
      for (const store of Object.values(stores)) store[Symbol.dispose]();
    },
  };
}
