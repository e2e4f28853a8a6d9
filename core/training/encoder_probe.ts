import { OrthogonalProjection } from "../encoders/projection.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { EncoderProbe } from "../models/encoder_probe.ts";
import { Adam } from "../nn/optimizer.ts";
import { parameters } from "../nn/parameters.ts";
import { gather } from "../ops/gather.ts";
import { mse } from "../ops/mse.ts";
import { noGrad } from "../tensor/autograd.ts";
import { tensor } from "../tensor/create.ts";
import { key } from "../tensor/philox.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type LossCurve, runTraining, type TrainingHooks } from "./loop.ts";

/** Embeddings with the actions that a probe shall tell. */
export interface LabelledEmbeddings {
  /** (N, width) */
  readonly rows: Float32Array<ArrayBuffer>;
  /** Length of a row. */
  readonly width: number;
  /** (N, 2): steering, acceleration */
  readonly actions: Float32Array<ArrayBuffer>;
}

/** Settings of a probe's training, all of which change its result. */
export interface ProbeSettings {
  /** Passes over all rows. */
  readonly epochs: number;
  /** Rows of a step; the last of a pass has what is left. */
  readonly batch: number;
  /** Learning rate of Adam. */
  readonly lr: number;
  /** Share of the hidden layer that is zeroed. */
  readonly dropout: number;
  /** Width that the probe sees. */
  readonly width: number;
  /** How embeddings of another width are mapped to it. */
  readonly adapter: "trained" | "orthogonal";
  /** Seed of weights, order and dropout. */
  readonly seed: number;
}

/** What a probe makes of other embeddings. */
export interface ProbeResult {
  /** (N, 2) for each of the given sets. */
  readonly predictions: readonly Float32Array<ArrayBuffer>[];
  /** Its losses. */
  readonly curve: LossCurve;
}

/** Rows that are mapped or told at once. */
const AT_ONCE = 2048;

/** Applies a map to rows on the host, some at a time. */
async function mapped(
  gpu: Gpu,
  rows: Float32Array<ArrayBuffer>,
  width: number,
  apply: (x: Tensor) => Tensor,
): Promise<Float32Array<ArrayBuffer>> {
  const count = rows.length / width;
  let result = new Float32Array();
  for (let start = 0; start < count; start += AT_ONCE) {
    using _ = gpu.scope();
    const end = Math.min(count, start + AT_ONCE);
    const some = rows.subarray(start * width, end * width);
    const y = noGrad(() => apply(tensor(gpu, some, [end - start, width])));
    const values = await y.read() as Float32Array<ArrayBuffer>;
    const own = values.length / (end - start);
    if (start === 0) result = new Float32Array(count * own);
    result.set(values, start * own);
  }
  return result;
}

function checkEmbeddings(
  { rows, width, actions }: LabelledEmbeddings,
  wanted: number,
): void {
  const n = rows.length / width;
  if (width === wanted && n >= 1 && n * 2 === actions.length) return;
  throw new RangeError(
    `Cannot probe ${rows.length} numbers in rows of ${width} with ${
      actions.length / 2
    } actions: needed as many rows of ${wanted}`,
  );
}

/**
 * Trains a probe and tells the actions of other embeddings.
 *
 * Rows lie on the device; a step takes its own by index.
 *
 * Source: Section 5.1; published code, `scripts/training/train_probes_full.py`:
 * Adam, mean squared error, the last epoch is used.
 *
 * @param gpu device
 * @param train to train on
 * @param others whose actions are told, such as those of test scenes
 * @param settings all that changes the result
 * @param hooks checkpoint and progress
 * @returns undefined if it was asked to stop
 * @throws {RangeError} if rows and actions differ in number, or widths differ
 * @throws {Error} if the loss is no longer finite
 */
export async function trainEncoderProbe(
  gpu: Gpu,
  train: LabelledEmbeddings,
  others: readonly LabelledEmbeddings[],
  settings: ProbeSettings,
  hooks: TrainingHooks,
): Promise<ProbeResult | undefined> {
  const { epochs, batch, lr, width, adapter, seed } = settings;
  for (const set of [train, ...others]) checkEmbeddings(set, train.width);
  using projection = adapter === "orthogonal" && train.width !== width
    ? new OrthogonalProjection(train.width, seed)
    : undefined;
  const project = async (set: LabelledEmbeddings) =>
    projection === undefined ? set.rows : await mapped(
      gpu,
      set.rows,
      set.width,
      (x) => projection.forward(x),
    );
  const native = projection === undefined ? train.width : projection.outputs;
  const model = new EncoderProbe({
    native,
    width,
    dropout: settings.dropout,
  });
  using store = parameters(gpu, model, { seed });
  using _ = gpu.scope();
  const count = train.actions.length / 2;
  const rows = tensor(gpu, await project(train), [count, native]);
  const actions = tensor(gpu, train.actions, [count, 2]);
  const perEpoch = Math.ceil(count / batch);
  let order: { epoch: number; rows: Uint32Array<ArrayBuffer> } | undefined;
  const rowsOf = (step: number) => {
    const epoch = Math.floor(step / perEpoch);
    if (order?.epoch !== epoch) {
      const shuffled = key("probe order", seed, epoch).permutation(count);
      order = { epoch, rows: shuffled };
    }
    const start = step % perEpoch * batch;
    return order.rows.slice(start, start + batch);
  };
  const curve = await runTraining(gpu, {
    store,
    optimizer: new Adam(store, { lr }),
    steps: epochs * perEpoch,
    rate: () => lr,
    decay: () => 0,
    clip: 0,
    loss: (step) => {
      const index = tensor(gpu, rowsOf(step));
      const [x, wanted] = noGrad(() => [
        gather(rows, index),
        gather(actions, index),
      ]) as [Tensor, Tensor];
      const y = model.forward(x, key("probe dropout", seed, step));
      return mse(y, wanted);
    },
  }, { stepsAtOnce: perEpoch, ...hooks });
  if (curve === undefined) return undefined;
  const predictions = [];
  for (const set of others) {
    const seen = await project(set);
    predictions.push(
      await mapped(gpu, seen, native, (x) => model.forward(x)),
    );
  }
  return { predictions, curve };
}
