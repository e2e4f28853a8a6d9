import {
  DEMO_FEATURES,
  type DemoFeatureNet,
  demoHeads,
} from "../encoders/demo_features.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { AdamW } from "../nn/optimizer.ts";
import type { ParameterStore } from "../nn/parameters.ts";
import { slice } from "../ops/concat.ts";
import {
  abs,
  add,
  exp,
  log,
  maximum,
  minimum,
  mul,
  neg,
  sub,
} from "../ops/pointwise.ts";
import { mean } from "../ops/reduce.ts";
import { crossEntropy } from "../ops/softmax.ts";
import { noGrad } from "../tensor/autograd.ts";
import { tensor } from "../tensor/create.ts";
import { type Key, key } from "../tensor/philox.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type LossCurve, runTraining, type TrainingHooks } from "./loop.ts";

/** Side of the frames, in pixels. */
const SIZE = 64;

const VALUES = SIZE * SIZE * 3;

/** Frames that share one kind of damage. */
const GROUP = 8;

/** Weights of the parts of the loss; the others are 1. */
const WEIGHTS = { scene: 0.3, style: 0.5 };

/** Mean square of the features of undamaged frames: that of Inception's. */
const MEAN_SQUARE = 0.4;

/** What is known of a drawn frame. */
export interface FrameTargets {
  /** Which of four styles. */
  readonly style: number;
  /** Night, rain, fog, a second own lane, a second other lane: 0 or 1. */
  readonly attributes: readonly number[];
  /** Curvature, heading, offset, vehicles, distance, heading ahead: scaled. */
  readonly geometry: readonly number[];
}

/** Frames to learn from. */
export interface LabelledFrames {
  /** (n, 64, 64, 3) levels */
  readonly levels: Uint8Array;
  /** Scene of each frame, from 0. */
  readonly scenes: readonly number[];
  /** Number of scenes. */
  readonly nScenes: number;
  /** What is known of each; absent for recorded frames. */
  readonly targets?: readonly FrameTargets[];
}

/** Settings of the training, all of which change its result. */
export interface FeatureSettings {
  /** Optimizer steps. */
  readonly steps: number;
  /** Frames of a step, a multiple of 8. */
  readonly batch: number;
  /** Peak learning rate of AdamW. */
  readonly lr: number;
  /** Steps until the peak. */
  readonly warmup: number;
  /** Seed of order, damage and dropout. */
  readonly seed: number;
}

/** Targets of a batch, as {@linkcode featureLoss} takes them. */
export interface BatchTargets {
  /** Scene of each frame. */
  readonly scenes: readonly number[];
  /** What is known of each, if anything is. */
  readonly targets?: readonly FrameTargets[];
  /** Blur and noise of each frame. */
  readonly damage: readonly (readonly [blur: number, noise: number])[];
}

/** Mean of log(1 + exp(x)) - x y, in nats. */
function binaryCrossEntropy(x: Tensor, y: Tensor): Tensor {
  const soft = add(maximum(x, 0), log(add(exp(neg(abs(x))), 1)));
  return mean(sub(soft, mul(x, y)));
}

/** Mean of e^2 / 2 below 1 and |e| - 1/2 above. */
function smoothL1(x: Tensor, y: Tensor): Tensor {
  const size = abs(sub(x, y));
  const inner = minimum(size, 1);
  return mean(mul(inner, sub(size, mul(inner, 0.5))));
}

/**
 * The loss of the feature network's heads: 0.3 scene + 0.5 style + attributes
 * + geometry + damage, as cross-entropies and smooth L1 errors.
 *
 * @param y (B, scenes + 17), from {@linkcode DemoFeatureNet.forward}
 * @param batch what it should have been
 * @param nScenes number of scenes
 * @returns ()
 */
export function featureLoss(
  y: Tensor,
  batch: BatchTargets,
  nScenes: number,
): Tensor {
  const { gpu } = y;
  const heads = demoHeads(nScenes);
  const part = ([start, end]: readonly [number, number]) =>
    slice(y, 1, start, end);
  const classes = (list: readonly number[]) =>
    tensor(gpu, Uint32Array.from(list));
  const rows = (list: readonly (readonly number[])[]) =>
    tensor(gpu, Float32Array.from(list.flat()))
      .reshape([list.length, list[0]?.length ?? 0]);
  let loss = add(
    mul(crossEntropy(part(heads.scene), classes(batch.scenes)), WEIGHTS.scene),
    smoothL1(part(heads.degradation), rows(batch.damage)),
  );
  const { targets } = batch;
  if (targets === undefined) return loss;
  const styles = classes(targets.map(({ style }) => style));
  loss = add(loss, mul(crossEntropy(part(heads.style), styles), WEIGHTS.style));
  const attributes = rows(targets.map((target) => target.attributes));
  loss = add(loss, binaryCrossEntropy(part(heads.attributes), attributes));
  const geometry = rows(targets.map((target) => target.geometry));
  return add(loss, smoothL1(part(heads.geometry), geometry));
}

/** Index in a row that is mirrored at both ends. */
function reflected(i: number): number {
  const back = i < 0 ? -i : i;
  return back >= SIZE ? 2 * SIZE - 2 - back : back;
}

/** Blurs a frame by a Gaussian of a standard deviation in pixels. */
function blurred(frame: Float32Array, sigma: number): Float32Array {
  const taps = Array.from(
    { length: 13 },
    (_, k) => Math.exp(-((k - 6) ** 2) / (2 * sigma * sigma)),
  );
  const total = taps.reduce((a, b) => a + b, 0);
  const along = (from: Float32Array, step: number, line: number) => {
    const to = new Float32Array(VALUES);
    for (let a = 0; a < SIZE; a++) {
      for (let b = 0; b < SIZE; b++) {
        for (let c = 0; c < 3; c++) {
          let sum = 0;
          for (let k = 0; k < 13; k++) {
            sum += taps[k]! * from[line * a + step * reflected(b + k - 6) + c]!;
          }
          to[line * a + step * b + c] = sum / total;
        }
      }
    }
    return to;
  };
  return along(along(frame, 3, 3 * SIZE), 3 * SIZE, 3);
}

/** Adds normal noise, of pixels or of cells of four pixels, interpolated. */
function noised(
  frame: Float32Array,
  level: number,
  isFine: boolean,
  stream: Key,
): Float32Array {
  if (isFine) return frame.map((value, i) => value + level * stream.normal(i));
  const cells = SIZE / 4;
  const draws = Float32Array.from(
    { length: cells * cells * 3 },
    (_, i) => stream.normal(i),
  );
  return frame.map((value, i) => {
    const c = i % 3;
    const at = (pixel: number) => {
      const s = Math.max(0, (pixel + 0.5) / 4 - 0.5);
      const first = Math.floor(s);
      return [first, Math.min(first + 1, cells - 1), s - first] as const;
    };
    const [x0, x1, u] = at(Math.floor(i / 3) % SIZE);
    const [y0, y1, v] = at(Math.floor(i / 3 / SIZE));
    const cell = (y: number, x: number) => draws[(y * cells + x) * 3 + c]!;
    const top = cell(y0, x0) * (1 - u) + cell(y0, x1) * u;
    const bottom = cell(y1, x0) * (1 - u) + cell(y1, x1) * u;
    return value + level * (top * (1 - v) + bottom * v);
  });
}

/** Images of a step, a quarter blurred and a quarter noisy. */
function damaged(
  gpu: Gpu,
  levels: Uint8Array,
  rows: readonly number[],
  seed: number,
  step: number,
): { images: Tensor; damage: [number, number][] } {
  const values = new Float32Array(rows.length * VALUES);
  const damage: [number, number][] = [];
  for (const [i, row] of rows.entries()) {
    const draw = key("feature damage", seed, step, Math.floor(i / GROUP));
    const kind = draw.uniform(0);
    let frame = Float32Array.from(
      levels.subarray(row * VALUES, (row + 1) * VALUES),
      (level) => level / 127.5 - 1,
    );
    if (kind < 0.25) {
      const sigma = 0.4 + 1.8 * draw.uniform(1);
      frame = Float32Array.from(blurred(frame, sigma));
      damage.push([sigma, 0]);
    } else if (kind < 0.5) {
      const level = 0.02 + 0.28 * draw.uniform(1);
      const stream = key("feature noise", seed, step, i);
      const isFine = draw.uniform(2) < 0.5;
      frame = Float32Array.from(noised(frame, level, isFine, stream));
      damage.push([0, 6 * level]);
    } else damage.push([0, 0]);
    const tint = key("feature tint", seed, step, i);
    for (let k = 0; k < VALUES; k++) {
      const value = frame[k]! + 0.03 * tint.normal(k % 3);
      values[i * VALUES + k] = (Math.max(-1, Math.min(1, value)) + 1) / 2;
    }
  }
  const images = tensor(gpu, values).reshape([rows.length, SIZE, SIZE, 3]);
  return { images, damage };
}

/**
 * Trains the demo's feature network to tell scenes apart and to see what is in
 * a frame and how it is damaged.
 *
 * @param gpu device
 * @param network with heads, whose weights are those of `store`
 * @param store its weights; the present values are the first ones
 * @param frames to learn from
 * @param settings all that changes the result
 * @param hooks checkpoint and progress
 * @returns the loss curve, or undefined if it was asked to stop
 * @throws {RangeError} if the batch is no multiple of 8
 * @throws {Error} if the loss is no longer finite, or the checkpoint belongs
 *   to other settings
 */
export async function trainFeatures(
  gpu: Gpu,
  network: DemoFeatureNet,
  store: ParameterStore,
  frames: LabelledFrames,
  settings: FeatureSettings,
  hooks: TrainingHooks,
): Promise<LossCurve | undefined> {
  const { steps, batch, lr, warmup, seed } = settings;
  if (batch % GROUP !== 0) {
    throw new RangeError(
      `Cannot train features by batches of ${batch}: needed a multiple of ${GROUP}`,
    );
  }
  const { levels, scenes, nScenes, targets } = frames;
  return await runTraining(gpu, {
    store,
    module: network,
    optimizer: new AdamW(store, { lr, weightDecay: 1e-3 }),
    steps,
    rate: (step) =>
      lr * Math.min(1, (step + 1) / Math.max(1, warmup)) *
      (0.01 + 0.99 * 0.5 * (1 + Math.cos(Math.PI * step / steps))),
    decay: () => 0,
    clip: 0,
    loss: (step) => {
      const samples = Array.from({ length: batch }, (_, i) => step * batch + i);
      const rows = samples.map((k) =>
        key("feature frame", seed, k).integer(0, scenes.length)
      );
      const { images, damage } = damaged(gpu, levels, rows, seed, step);
      const y = network.forward(images, {
        training: true,
        keys: samples.map((k) => key("feature dropout", seed, k)),
      });
      const known = targets && rows.map((row) => targets[row]!);
      return featureLoss(y, {
        scenes: rows.map((row) => scenes[row] ?? 0),
        damage,
        ...(known ? { targets: known } : {}),
      }, nScenes);
    },
  }, { stepsAtOnce: 5, ...hooks });
}

/** Results of a network for undamaged frames, a frame at a time. */
async function* resultsOf(
  gpu: Gpu,
  levels: Uint8Array,
  apply: (images: Tensor) => Tensor,
  check: () => void,
): AsyncGenerator<Float32Array> {
  const count = levels.length / VALUES;
  for (let start = 0; start < count; start += 16) {
    check();
    using _ = gpu.scope();
    const end = Math.min(count, start + 16);
    const part = levels.subarray(start * VALUES, end * VALUES);
    const values = Float32Array.from(part, (level) => level / 255);
    const x = tensor(gpu, values).reshape([end - start, SIZE, SIZE, 3]);
    const rows = await noGrad(() => apply(x)).read() as Float32Array;
    const width = rows.length / (end - start);
    for (let i = 0; i < end - start; i++) {
      yield rows.subarray(i * width, (i + 1) * width);
    }
  }
}

/**
 * The share of frames whose scene the network tells, from features and running
 * moments as they are used afterwards.
 *
 * @param gpu device
 * @param network with its heads
 * @param frames that it was not trained on, of the scenes that it was
 * @param check called before every batch; what it throws ends the work
 * @returns from 0 to 1; 1 / scenes for a network that knows nothing
 */
export async function sceneAccuracy(
  gpu: Gpu,
  network: DemoFeatureNet,
  { levels, scenes, nScenes }: LabelledFrames,
  check: () => void = () => {},
): Promise<number> {
  const [start, end] = demoHeads(nScenes).scene;
  let hits = 0;
  let i = 0;
  const apply = (x: Tensor) => network.forward(x);
  for await (const row of resultsOf(gpu, levels, apply, check)) {
    const logits = row.subarray(start, end);
    if (logits.indexOf(Math.max(...logits)) === scenes[i++]) hits++;
  }
  return hits / scenes.length;
}

/**
 * The factor that gives the features of frames the mean square of Inception's.
 *
 * @param gpu device
 * @param network trained
 * @param levels (n, 64, 64, 3) undamaged frames
 * @param most of them that are looked at, evenly spaced; all unless given
 * @param check called before every batch; what it throws ends the work
 */
export async function featureScale(
  gpu: Gpu,
  network: DemoFeatureNet,
  levels: Uint8Array,
  most = Infinity,
  check: () => void = () => {},
): Promise<number> {
  const count = levels.length / VALUES;
  const every = Math.max(1, Math.floor(count / most));
  const some = new Uint8Array(Math.ceil(count / every) * VALUES);
  for (let i = 0; i * every < count; i++) {
    const start = i * every * VALUES;
    some.set(levels.subarray(start, start + VALUES), i * VALUES);
  }
  let total = 0;
  const apply = (x: Tensor) => network.features(x);
  for await (const row of resultsOf(gpu, some, apply, check)) {
    for (const value of row) total += value * value;
  }
  return Math.sqrt(MEAN_SQUARE * some.length / VALUES * DEMO_FEATURES / total);
}
