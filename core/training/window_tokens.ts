import type { Gpu } from "../gpu/gpu.ts";
import { fourierFeatures } from "../models/fourier_action.ts";
import { tensor } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Latents of frames in the order of time, scene after scene. */
export interface FrameLatents {
  /** (frames, channels, height, width), scaled */
  readonly latents: Float32Array;
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

/** A batch of windows on the device. */
export interface WindowBatch {
  /** (B, S, P) normalized */
  readonly present: Tensor;
  /** (B, H S, P) normalized */
  readonly future: Tensor;
  /** (B, H, features) Fourier features of the actions, or the actions */
  readonly features: Tensor;
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
  [channels, height, width]: FrameLatents["shape"],
  patch: number,
): Float32Array<ArrayBuffer> {
  return reorder(latents, [channels, height, width], patch, false);
}

/**
 * Undoes {@linkcode toTokens}.
 *
 * @param tokens (n, tokens, channels patch patch)
 * @param shape channels, height, width
 * @param patch side of a patch
 * @returns (n, channels, height, width)
 */
export function fromTokens(
  tokens: Float32Array,
  shape: FrameLatents["shape"],
  patch: number,
): Float32Array<ArrayBuffer> {
  return reorder(tokens, shape, patch, true);
}

function reorder(
  from: Float32Array,
  [channels, height, width]: FrameLatents["shape"],
  patch: number,
  isBack: boolean,
): Float32Array<ArrayBuffer> {
  if (height % patch !== 0 || width % patch !== 0) {
    throw new RangeError(
      `Cannot cut latents of ${height}x${width} into patches of ${patch}: the patch must divide both sides`,
    );
  }
  const size = channels * height * width;
  const columns = width / patch;
  // Where each value of a frame's tokens stands in its latents.
  const place = new Uint32Array(size);
  let k = 0;
  for (let i = 0; i < height / patch; i++) {
    for (let j = 0; j < columns; j++) {
      for (let c = 0; c < channels; c++) {
        for (let r = 0; r < patch; r++) {
          for (let q = 0; q < patch; q++) {
            place[k++] = (c * height + i * patch + r) * width + j * patch + q;
          }
        }
      }
    }
  }
  const to = new Float32Array(from.length);
  for (let start = 0; start < from.length; start += size) {
    for (let k = 0; k < size; k++) {
      const at = place[k] ?? 0;
      if (isBack) to[start + at] = from[start + k] ?? 0;
      else to[start + k] = from[start + at] ?? 0;
    }
  }
  return to;
}

/**
 * Measures the tokens of the present frames of windows, value by value.
 *
 * Source: published code: the presents of the training windows only, unbiased.
 *
 * @param tokens (frames, S P)
 * @param rows rows of the present frames, one per window
 * @param patchDim P
 */
export function tokenStatistics(
  tokens: Float32Array,
  rows: readonly number[],
  tokensPerFrame: number,
  patchDim: number,
): TokenStatistics {
  const size = tokensPerFrame * patchDim;
  const sum = new Float64Array(patchDim);
  const squares = new Float64Array(patchDim);
  const visit = (add: (p: number, value: number) => void) => {
    for (const row of rows) {
      for (let k = 0; k < size; k++) {
        add(k % patchDim, tokens[row * size + k] ?? 0);
      }
    }
  };
  const n = rows.length * tokensPerFrame;
  visit((p, value) => sum[p] = (sum[p] ?? 0) + value);
  const mean = sum.map((total) => total / n);
  visit((p, value) =>
    squares[p] = (squares[p] ?? 0) + (value - (mean[p] ?? 0)) ** 2
  );
  return {
    mean: Float32Array.from(mean),
    std: Float32Array.from(
      squares,
      (total) => Math.max(1e-6, Math.sqrt(total / (n - 1))),
    ),
  };
}

/** Normalized tokens of frames, from which batches of windows are cut. */
export class WindowTokens {
  /** Frames of a window after the present, H. */
  readonly horizon: number;
  /** Tokens of a frame, S. */
  readonly tokensPerFrame: number;
  /** Values of a token, P. */
  readonly patchDim: number;
  /** Side of a patch. */
  readonly patch: number;
  /** Shape of a frame's latents. */
  readonly shape: FrameLatents["shape"];
  /** Normalization. */
  readonly statistics: TokenStatistics;
  readonly #tokens: Float32Array<ArrayBuffer>;
  readonly #features: Float32Array<ArrayBuffer>;
  readonly #featureWidth: number;
  readonly #actionOffset: number;

  /**
   * Tokenizes latents.
   *
   * @param frames latents and actions
   * @param options patch side, horizon, Fourier frequencies, normalization (or
   *   the rows of the present frames to measure it on), and frames from the
   *   present to the first action: 0 as published, 1 as the paper writes
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
    const [channels, height, width] = frames.shape;
    this.horizon = horizon;
    this.patch = patch;
    this.shape = frames.shape;
    this.patchDim = channels * patch * patch;
    this.tokensPerFrame = height * width / (patch * patch);
    this.#tokens = toTokens(frames.latents, frames.shape, patch);
    this.statistics = "mean" in statistics ? statistics : tokenStatistics(
      this.#tokens,
      statistics,
      this.tokensPerFrame,
      this.patchDim,
    );
    const { mean, std } = this.statistics;
    const p = this.patchDim;
    for (let i = 0; i < this.#tokens.length; i++) {
      const value = this.#tokens[i] ?? 0;
      this.#tokens[i] = (value - (mean[i % p] ?? 0)) / (std[i % p] ?? 1);
    }
    this.#features = options.plainActions
      ? Float32Array.from(frames.actions)
      : fourierFeatures(frames.actions, 2, frequencies);
    this.#featureWidth = options.plainActions ? 2 : 4 * frequencies;
    this.#actionOffset = options.actionOffset ?? 0;
  }

  /**
   * Uploads windows.
   *
   * @param gpu device
   * @param rows row of the present frame of each window
   * @returns tensors of the innermost scope
   */
  batch(gpu: Gpu, rows: readonly number[]): WindowBatch {
    const { horizon, tokensPerFrame, patchDim } = this;
    const size = tokensPerFrame * patchDim;
    const width = this.#featureWidth;
    const present = new Float32Array(rows.length * size);
    const future = new Float32Array(rows.length * horizon * size);
    const features = new Float32Array(rows.length * horizon * width);
    for (const [i, row] of rows.entries()) {
      present.set(
        this.#tokens.subarray(row * size, (row + 1) * size),
        i * size,
      );
      future.set(
        this.#tokens.subarray((row + 1) * size, (row + 1 + horizon) * size),
        i * horizon * size,
      );
      const first = row + this.#actionOffset;
      features.set(
        this.#features.subarray(first * width, (first + horizon) * width),
        i * horizon * width,
      );
    }
    const batch = rows.length;
    return {
      present: tensor(gpu, present).reshape([batch, tokensPerFrame, patchDim]),
      future: tensor(gpu, future)
        .reshape([batch, horizon * tokensPerFrame, patchDim]),
      features: tensor(gpu, features).reshape([batch, horizon, width]),
    };
  }

  /**
   * Turns normalized tokens back into latents.
   *
   * @param tokens (n, S, P) normalized
   * @returns (n, channels, height, width), scaled
   */
  latents(tokens: Float32Array): Float32Array<ArrayBuffer> {
    const { mean, std } = this.statistics;
    const p = this.patchDim;
    const raw = Float32Array.from(
      tokens,
      (value, i) => value * (std[i % p] ?? 1) + (mean[i % p] ?? 0),
    );
    return fromTokens(raw, this.shape, this.patch);
  }

  /** Latents of one frame, (channels, height, width), scaled. */
  frame(row: number): Float32Array<ArrayBuffer> {
    const size = this.tokensPerFrame * this.patchDim;
    return this.latents(this.#tokens.subarray(row * size, (row + 1) * size));
  }
}
