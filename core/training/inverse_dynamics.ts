import type { Gpu } from "../gpu/gpu.ts";
import { leastSquaresLine, pearson } from "../metrics/spearman.ts";
import type {
  InverseDynamics,
  InverseDynamicsMoments,
} from "../models/inverse_dynamics.ts";
import { Adam } from "../nn/optimizer.ts";
import type { ParameterStore } from "../nn/parameters.ts";
import { mse } from "../ops/mse.ts";
import { add, div, mul, sub } from "../ops/pointwise.ts";
import { noGrad } from "../tensor/autograd.ts";
import { tensor } from "../tensor/create.ts";
import { key } from "../tensor/philox.ts";
import { normal } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type LossCurve, runTraining, type TrainingHooks } from "./loop.ts";
import type { FrameLatents } from "./window_tokens.ts";

/** Settings of the training, all of which change its result. */
export interface InverseDynamicsSettings {
  /** Optimizer steps. */
  readonly steps: number;
  /** Pairs of a step. */
  readonly batch: number;
  /** Peak learning rate of Adam. */
  readonly lr: number;
  /** Largest deviation of the noise, in deviations of the latents. */
  readonly noise: number;
  /** Seed of order and noise. */
  readonly seed: number;
}

/**
 * The recipe study's: 2,200 steps of 64 pairs, noise up to 0.15. Its learning
 * rate is not on record.
 */
export const INVERSE_DYNAMICS: InverseDynamicsSettings = {
  steps: 2200,
  batch: 64,
  lr: 2e-3,
  noise: 0.15,
  seed: 0,
};

/** Steps until the peak of the learning rate. */
const WARMUP = 50;

/** Share of the peak at the end of the cosine. */
const LAST_RATE = 0.03;

/** Pairs that are predicted at once. */
const BATCH = 256;

function checkRows(
  { latents, shape, actions }: FrameLatents,
  rows: readonly number[],
): void {
  const size = shape[0] * shape[1] * shape[2];
  if (latents.size !== size || actions.length !== 2 * latents.frames) {
    throw new RangeError(
      `Cannot pair frames: ${latents.frames} rows of ${latents.size} latents with ${actions.length} actions, needed rows of ${size} and two actions for each`,
    );
  }
  const bad = rows.find((row) => !(row >= 0 && row + 1 < latents.frames));
  if (bad === undefined && rows.length > 0) return;
  throw new RangeError(
    `Cannot pair frames: ${
      bad === undefined ? "got no row" : `row ${bad} has no next frame`
    } of ${latents.frames}`,
  );
}

/**
 * Measures what a probe's inputs and targets are normalized by, one frame in
 * memory at a time.
 *
 * @param frames latents and actions
 * @param rows of the first frame of each training pair
 * @returns moments over positions and rows; deviations of values that are all
 *   equal are 1
 * @throws {RangeError} if there is no row, or one has no next frame
 */
export function inverseDynamicsMoments(
  frames: FrameLatents,
  rows: readonly number[],
): InverseDynamicsMoments {
  checkRows(frames, rows);
  const { latents, shape: [channels, height, width], actions } = frames;
  const area = height * width;
  const over = (
    length: number,
    visit: (
      add: (k: number, value: number) => void,
    ) => void,
  ) => {
    // Relative to the first value, so that equal ones give exactly zero.
    const first = new Float64Array(length).fill(NaN);
    const [sums, squares, counts] = [1, 1, 1]
      .map(() => new Float64Array(length)) as [
        Float64Array,
        Float64Array,
        Float64Array,
      ];
    visit((k, value) => {
      if (Number.isNaN(first[k]!)) first[k] = value;
      const change = value - first[k]!;
      sums[k]! += change;
      squares[k]! += change * change;
      counts[k]!++;
    });
    const mean = sums.map((sum, k) => first[k]! + sum / counts[k]!);
    const std = squares.map((square, k) => {
      const variance = square / counts[k]! - (sums[k]! / counts[k]!) ** 2;
      return variance > 0 ? Math.sqrt(variance) : 1;
    });
    return { mean, std };
  };
  const latent = over(channels, (add) => {
    for (const row of rows) {
      latents.read(row, row + 1).forEach((value, i) => {
        add(Math.floor(i / area), value);
      });
    }
  });
  const action = over(2, (add) => {
    for (const row of rows) {
      add(0, actions[2 * row]!);
      add(1, actions[2 * row + 1]!);
    }
  });
  return {
    latentMean: latent.mean,
    latentStd: latent.std,
    actionMean: action.mean,
    actionStd: action.std,
  };
}

/** Latents on the device, channels last. */
function framesOn(
  gpu: Gpu,
  latents: ArrayLike<number>,
  [channels, height, width]: FrameLatents["shape"],
): Tensor {
  const area = height * width;
  const size = channels * area;
  const values = new Float32Array(latents.length);
  for (let i = 0; i < values.length; i++) {
    const place = i % size;
    const to = place % area * channels + Math.floor(place / area);
    values[i - place + to] = latents[i]!;
  }
  const n = values.length / size;
  return tensor(gpu, values).reshape([n, height, width, channels]);
}

/** Latents of a frame and of the next one, for each row. */
function readPairs(
  { latents }: FrameLatents,
  rows: readonly number[],
): readonly [before: Float32Array, after: Float32Array] {
  const { size } = latents;
  const before = new Float32Array(rows.length * size);
  const after = new Float32Array(rows.length * size);
  for (const [i, row] of rows.entries()) {
    const pair = latents.read(row, row + 2);
    before.set(pair.subarray(0, size), i * size);
    after.set(pair.subarray(size), i * size);
  }
  return [before, after];
}

/**
 * Trains a probe to tell the action of a frame from its latents and those of
 * the next frame, by the squared error of normalized actions. To both frames of
 * a pair, normalized, noise of one deviation is added, uniform from 0, since
 * generated latents are never clean.
 *
 * Source: the project's recipe study, section 3: a fixed number of steps.
 *
 * @param gpu device
 * @param probe with the moments of {@linkcode inverseDynamicsMoments}
 * @param store its weights; the present values are the first ones
 * @param frames latents and actions
 * @param rows of the first frame of each pair; the next row is of its scene
 * @param settings all that changes the result
 * @param hooks checkpoint and progress
 * @returns the loss curve, or undefined if it was asked to stop
 * @throws {RangeError} if there is no row, or one has no next frame
 * @throws {Error} if the loss is no longer finite, or the checkpoint belongs
 *   to other settings
 */
export async function trainInverseDynamics(
  gpu: Gpu,
  probe: InverseDynamics,
  store: ParameterStore,
  frames: FrameLatents,
  rows: readonly number[],
  settings: InverseDynamicsSettings,
  hooks: TrainingHooks,
): Promise<LossCurve | undefined> {
  checkRows(frames, rows);
  const { steps, batch, lr, noise, seed } = settings;
  return await runTraining(gpu, {
    store,
    optimizer: new Adam(store, { lr }),
    steps,
    rate: (step) =>
      lr * Math.min(1, (step + 1) / WARMUP) *
      (LAST_RATE +
        (1 - LAST_RATE) * 0.5 * (1 + Math.cos(Math.PI * step / steps))),
    decay: () => 0,
    clip: 1,
    loss: (step) => {
      const streams = Array.from(
        { length: batch },
        (_, i) => key("inverse dynamics", seed, step * batch + i),
      );
      const drawn = streams.map((stream) =>
        rows[stream.integer(0, rows.length)]!
      );
      const [before, after] = readPairs(frames, drawn)
        .map((latents) => framesOn(gpu, latents, frames.shape)) as [
          Tensor,
          Tensor,
        ];
      const x = probe.normalize(before, after);
      const levels = tensor(
        gpu,
        streams.map((stream) => noise * stream.uniform(1)),
      ).reshape([batch, 1, 1, 1]);
      const draws = normal(gpu, x.shape, streams.map((s) => s.fold(1)));
      const actions = tensor(
        gpu,
        drawn.flatMap((row) => [
          ...frames.actions.subarray(2 * row, 2 * row + 2),
        ]),
      ).reshape([batch, 2]);
      const target = div(sub(actions, probe.actionMean), probe.actionStd);
      return mse(probe.predict(add(x, mul(draws, levels))), target);
    },
  }, hooks);
}

/**
 * Tells the actions between frames, true or generated.
 *
 * @param gpu device
 * @param probe trained
 * @param before (n, C, height, width) latents
 * @param after (n, C, height, width) latents of the next frames
 * @returns (n, 2): steering and acceleration
 * @throws {RangeError} if the latents are not equally many whole frames
 */
export async function predictActions(
  gpu: Gpu,
  probe: InverseDynamics,
  before: Float32Array,
  after: Float32Array,
): Promise<Float32Array<ArrayBuffer>> {
  const { shape } = probe;
  const size = shape[0] * shape[1] * shape[2];
  const n = before.length / size;
  if (before.length !== after.length || !Number.isInteger(n)) {
    throw new RangeError(
      `Cannot tell actions between ${before.length} and ${after.length} latents: needed equally many whole frames of ${size}`,
    );
  }
  const result = new Float32Array(2 * n);
  for (let start = 0; start < n; start += BATCH) {
    using _ = gpu.scope();
    const end = Math.min(n, start + BATCH);
    const [a, b] = [before, after].map((latents) =>
      framesOn(gpu, latents.subarray(start * size, end * size), shape)
    ) as [Tensor, Tensor];
    const y = await noGrad(() => probe.forward(a, b)).read();
    result.set(y as Float32Array, 2 * start);
  }
  return result;
}

/** How predictions of an action follow the true one. */
export interface ActionAgreement {
  /** Pearson's correlation; NaN if one side is constant. */
  readonly correlation: number;
  /** Change of the prediction for one of the truth; 1 is best. */
  readonly slope: number;
}

/** How well a probe does on held-out pairs. */
export interface InverseDynamicsQuality {
  /** Of the steering. */
  readonly steering: ActionAgreement;
  /** Of the acceleration. */
  readonly acceleration: ActionAgreement;
  /** Pairs. */
  readonly n: number;
}

/**
 * Compares actions with predicted ones.
 *
 * @param truth (n, 2), at least two
 * @param predicted (n, 2)
 * @throws {RangeError} if they are not equally many, fewer than two, or not
 *   finite
 */
export function actionAgreement(
  truth: Float32Array,
  predicted: Float32Array,
): InverseDynamicsQuality {
  const of = (values: Float32Array, k: number) =>
    values.filter((_, i) => i % 2 === k);
  const [steering, acceleration] = [0, 1].map((k) => {
    const [x, y] = [of(truth, k), of(predicted, k)];
    return { correlation: pearson(x, y), slope: leastSquaresLine(x, y).slope };
  }) as [ActionAgreement, ActionAgreement];
  return { steering, acceleration, n: truth.length / 2 };
}

/**
 * Measures a probe on pairs of frames that it was not trained on.
 *
 * @param gpu device
 * @param probe trained
 * @param frames latents and actions
 * @param rows of the first frame of each pair, at least two
 * @throws {RangeError} if there are fewer than two rows, or one has no next
 *   frame
 */
export async function measureInverseDynamics(
  gpu: Gpu,
  probe: InverseDynamics,
  frames: FrameLatents,
  rows: readonly number[],
): Promise<InverseDynamicsQuality> {
  checkRows(frames, rows);
  const predicted = new Float32Array(2 * rows.length);
  for (let start = 0; start < rows.length; start += BATCH) {
    const some = rows.slice(start, start + BATCH);
    const pairs = readPairs(frames, some);
    predicted.set(await predictActions(gpu, probe, ...pairs), 2 * start);
  }
  const truth = Float32Array.from(
    rows.flatMap((
      row,
    ) => [frames.actions[2 * row]!, frames.actions[2 * row + 1]!]),
  );
  return actionAgreement(truth, predicted);
}
