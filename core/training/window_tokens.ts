import type { LatentRows } from "../data/latents.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { fourierFeatures } from "../models/fourier_action.ts";
import type { Conditions } from "../models/future_model.ts";
import type { WindowBatch } from "../models/world_model.ts";
import { tensor } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Latents of frames in the order of time, scene after scene. */
export interface FrameLatents {
  /** (frames, channels, height, width), scaled; read when needed */
  readonly latents: LatentRows;
  /** Shape of one frame's latents: channels, height, width. */
  readonly shape: readonly [channels: number, height: number, width: number];
  /** (frames, 2): steering and acceleration, normalized */
  readonly actions: Float32Array;
}

/** Mean and deviation of each value of a token. */
export interface TokenStatistics {
  /** (P) */
  readonly mean: Float32Array<ArrayBuffer>;
  /** (P), unbiased, at least 1e-6 */
  readonly std: Float32Array<ArrayBuffer>;
}

/** A window of which a future is wanted. */
export interface WindowDraw {
  /** Row of the present frame. */
  readonly row: number;
  /** (H, 2) actions normalized as the frames', if not those recorded */
  readonly actions?: Float32Array;
  /** (channels, height, width) latents of the present, if not the row's */
  readonly present?: Float32Array;
}

/** Sizes of a frame's tokens. */
interface TokenSizes {
  /** Tokens of a frame, S. */
  readonly tokensPerFrame: number;
  /** Values of a token, P. */
  readonly patchDim: number;
  /** (S P): where each value of a frame's tokens stands in its latents. */
  readonly places: Uint32Array;
}

function tokenSizes(
  [channels, height, width]: FrameLatents["shape"],
  patch: number,
): TokenSizes {
  if (height % patch !== 0 || width % patch !== 0) {
    throw new RangeError(
      `Cannot cut latents of ${height}x${width} into patches of ${patch}: the patch must divide both sides`,
    );
  }
  const places = new Uint32Array(channels * height * width);
  const columns = width / patch;
  let k = 0;
  for (let i = 0; i < height / patch; i++) {
    for (let j = 0; j < columns; j++) {
      for (let c = 0; c < channels; c++) {
        for (let r = 0; r < patch; r++) {
          for (let q = 0; q < patch; q++) {
            places[k++] = (c * height + i * patch + r) * width + j * patch + q;
          }
        }
      }
    }
  }
  return {
    tokensPerFrame: height * width / (patch * patch),
    patchDim: channels * patch * patch,
    places,
  };
}

/**
 * Cuts latents into tokens on the host, in the order of `patchify`.
 *
 * @param latents (n, channels, height, width)
 * @param shape channels, height, width
 * @param patch side of a patch, a divisor of both sides
 * @returns (n, tokens, channels patch patch)
 * @throws {RangeError} if the patch does not divide the sides
 */
export function toTokens(
  latents: Float32Array,
  shape: FrameLatents["shape"],
  patch: number,
): Float32Array<ArrayBuffer> {
  const { places } = tokenSizes(shape, patch);
  const size = places.length;
  const tokens = new Float32Array(latents.length);
  for (let start = 0; start < latents.length; start += size) {
    for (let k = 0; k < size; k++) {
      tokens[start + k] = latents[start + places[k]!]!;
    }
  }
  return tokens;
}

/**
 * Measures the tokens of the present frames of windows, value by value. One
 * frame is in memory at a time.
 *
 * Source: published code: the presents of the training windows only, unbiased.
 *
 * @param latents of frames
 * @param rows rows of the present frames, one per window
 * @param sizes of the tokens
 */
function tokenStatistics(
  latents: LatentRows,
  rows: readonly number[],
  { tokensPerFrame, patchDim, places }: TokenSizes,
): TokenStatistics {
  const n = rows.length * tokensPerFrame;
  /** Sums a function of the values of each place in a token. */
  const total = (of: (value: number, p: number) => number) => {
    const sums = new Float64Array(patchDim);
    for (const row of rows) {
      const frame = latents.read(row, row + 1);
      for (let k = 0; k < places.length; k++) {
        const p = k % patchDim;
        sums[p]! += of(frame[places[k]!]!, p);
      }
    }
    return sums;
  };
  const mean = total((value) => value).map((sum) => sum / n);
  const squares = total((value, p) => (value - mean[p]!) ** 2);
  return {
    mean: Float32Array.from(mean),
    std: Float32Array.from(
      squares,
      (sum) => Math.max(1e-6, Math.sqrt(sum / (n - 1))),
    ),
  };
}

/** Actions from outside, if they are as many as the horizon needs. */
function checkedActions(
  actions: Float32Array,
  row: number,
  horizon: number,
): Float32Array {
  const at = actions.findIndex((value) => !Number.isFinite(value));
  if (actions.length === 2 * horizon && at < 0) return actions;
  throw new RangeError(
    `Cannot predict from row ${row}: ${
      at < 0
        ? `its actions have ${actions.length} values`
        : `value ${at} of its actions is ${actions[at]}`
    }, needed ${horizon} finite pairs of steering and acceleration`,
  );
}

/**
 * Cuts batches of windows out of latents and normalizes them. Latents are read
 * when a batch needs them; what is held are the action features, 4 bytes times
 * their width a frame.
 */
export class WindowTokens {
  /** Frames of a window after the present, H. */
  readonly horizon: number;
  /** Tokens of a frame, S. */
  readonly tokensPerFrame: number;
  /** Values of a token, P. */
  readonly patchDim: number;
  /** Normalization. */
  readonly statistics: TokenStatistics;
  readonly #latents: LatentRows;
  /** (S P) */
  readonly #places: Uint32Array;
  /** (S P), of each value of a frame's tokens. */
  readonly #mean: Float32Array;
  /** (S P) */
  readonly #std: Float32Array;
  /** (frames, features) */
  readonly #features: Float32Array<ArrayBuffer>;
  readonly #featureWidth: number;
  readonly #featuresOf: (actions: Float32Array) => Float32Array<ArrayBuffer>;
  readonly #actionOffset: number;

  /**
   * Measures the normalization, unless it is given.
   *
   * @param frames latents and actions
   * @param options patch side, horizon, Fourier frequencies, normalization (or
   *   the rows of the present frames to measure it on), and frames from the
   *   present to the first action: 0 as published, 1 as the paper writes
   * @throws {RangeError} if the patch does not divide the sides
   */
  constructor(frames: FrameLatents, options: {
    readonly patch: number;
    readonly horizon: number;
    readonly frequencies: number;
    /** Whether batches hold the actions instead of their Fourier features. */
    readonly plainActions?: boolean;
    readonly statistics: TokenStatistics | readonly number[];
    readonly actionOffset?: number;
  }) {
    const { patch, horizon, frequencies, statistics } = options;
    const sizes = tokenSizes(frames.shape, patch);
    const { tokensPerFrame, patchDim, places } = sizes;
    this.horizon = horizon;
    this.tokensPerFrame = tokensPerFrame;
    this.patchDim = patchDim;
    this.#latents = frames.latents;
    this.#places = places;
    this.statistics = "mean" in statistics
      ? statistics
      : tokenStatistics(frames.latents, statistics, sizes);
    const { mean, std } = this.statistics;
    this.#mean = Float32Array.from(places, (_, k) => mean[k % patchDim]!);
    this.#std = Float32Array.from(places, (_, k) => std[k % patchDim]!);
    this.#featuresOf = (actions) =>
      options.plainActions
        ? Float32Array.from(actions)
        : fourierFeatures(actions, 2, frequencies);
    this.#features = this.#featuresOf(frames.actions);
    this.#featureWidth = options.plainActions ? 2 : 4 * frequencies;
    this.#actionOffset = options.actionOffset ?? 0;
  }

  /** Writes the normalized tokens of one frame of `latents` into `to`. */
  #normalize(
    latents: Float32Array,
    from: number,
    to: Float32Array,
    start: number,
  ): void {
    const [places, mean, std] = [this.#places, this.#mean, this.#std];
    for (let k = 0; k < places.length; k++) {
      to[start + k] = (latents[from + places[k]!]! - mean[k]!) / std[k]!;
    }
  }

  /**
   * Uploads what futures are predicted from. The rows after the present need
   * not exist where a draw has its own actions.
   *
   * @param gpu device
   * @param draws windows, with actions and presents that are not the recorded
   *   ones
   * @returns tensors of the innermost scope
   * @throws {RangeError} if actions or latents are too few or too many, actions
   *   are not finite, or the recorded actions end before the window does
   */
  conditions(gpu: Gpu, draws: readonly WindowDraw[]): Conditions {
    const { horizon, tokensPerFrame, patchDim } = this;
    const size = tokensPerFrame * patchDim;
    const width = this.#featureWidth;
    const present = new Float32Array(draws.length * size);
    const features = new Float32Array(draws.length * horizon * width);
    for (const [i, draw] of draws.entries()) {
      const { row } = draw;
      const latents = draw.present ?? this.#latents.read(row, row + 1);
      if (latents.length !== size) {
        throw new RangeError(
          `Cannot predict from row ${row}: the present has ${latents.length} latent values, needed ${size}`,
        );
      }
      this.#normalize(latents, 0, present, i * size);
      features.set(
        draw.actions === undefined
          ? this.#recorded(row)
          : this.#featuresOf(checkedActions(draw.actions, row, horizon)),
        i * horizon * width,
      );
    }
    const batch = draws.length;
    return {
      present: tensor(gpu, present).reshape([batch, tokensPerFrame, patchDim]),
      features: tensor(gpu, features).reshape([batch, horizon, width]),
    };
  }

  /** (H, features) of the recorded actions of a window. */
  #recorded(row: number): Float32Array {
    const width = this.#featureWidth;
    const frames = this.#features.length / width;
    const first = row + this.#actionOffset;
    const end = first + this.horizon;
    if (end > frames) {
      throw new RangeError(
        `Cannot predict from row ${row}: its actions are those of rows ${first} to ${
          end - 1
        }, recorded are ${frames} rows; give the draw its actions`,
      );
    }
    return this.#features.subarray(first * width, end * width);
  }

  /**
   * Reads, normalizes and uploads windows.
   *
   * @param gpu device
   * @param rows row of the present frame of each window
   * @returns tensors of the innermost scope
   */
  batch(gpu: Gpu, rows: readonly number[]): WindowBatch {
    const { horizon, tokensPerFrame, patchDim } = this;
    const size = tokensPerFrame * patchDim;
    const future = new Float32Array(rows.length * horizon * size);
    const draws = rows.map((row, i): WindowDraw => {
      const latents = this.#latents.read(row, row + 1 + horizon);
      for (let step = 0; step < horizon; step++) {
        const start = (i * horizon + step) * size;
        this.#normalize(latents, (step + 1) * size, future, start);
      }
      return { row, present: latents.subarray(0, size) };
    });
    return {
      ...this.conditions(gpu, draws),
      future: tensor(gpu, future)
        .reshape([rows.length, horizon * tokensPerFrame, patchDim]),
    };
  }

  /**
   * Reads, normalizes and uploads single frames.
   *
   * @param gpu device
   * @param rows of the frames; zero is uploaded where there is none
   * @returns (frames, S, P), owned by the innermost scope
   */
  frames(gpu: Gpu, rows: readonly (number | undefined)[]): Tensor {
    const { tokensPerFrame, patchDim } = this;
    const size = tokensPerFrame * patchDim;
    const values = new Float32Array(rows.length * size);
    for (const [i, row] of rows.entries()) {
      if (row === undefined) continue;
      this.#normalize(this.#latents.read(row, row + 1), 0, values, i * size);
    }
    return tensor(gpu, values).reshape([rows.length, tokensPerFrame, patchDim]);
  }

  /**
   * Turns normalized tokens back into latents.
   *
   * @param tokens (n, S, P) normalized
   * @returns (n, channels, height, width), scaled
   */
  latents(tokens: Float32Array): Float32Array<ArrayBuffer> {
    const [places, mean, std] = [this.#places, this.#mean, this.#std];
    const size = places.length;
    const latents = new Float32Array(tokens.length);
    for (let start = 0; start < tokens.length; start += size) {
      for (let k = 0; k < size; k++) {
        latents[start + places[k]!] = tokens[start + k]! * std[k]! + mean[k]!;
      }
    }
    return latents;
  }
}
