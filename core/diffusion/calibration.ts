/** Mean and standard deviation of each latent channel. */
export interface ChannelStatistics {
  /** (channels) */
  readonly mean: readonly number[];
  /** (channels), unbiased */
  readonly std: readonly number[];
}

/**
 * Measures latents channel by channel, over windows and positions.
 *
 * @param latents (n, channels, positions) in row-major order
 * @param channels number of channels
 * @throws {RangeError} if the length does not fit, or a value is not finite
 */
export function channelStatistics(
  latents: Float32Array,
  channels: number,
  positions: number,
): ChannelStatistics {
  const n = latents.length / (channels * positions);
  if (!Number.isInteger(n) || n * positions < 2) {
    throw new RangeError(
      `Cannot measure ${latents.length} latent values: they need whole samples of ${channels} channels with ${positions} values`,
    );
  }
  const mean: number[] = [];
  const std: number[] = [];
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    const each = (visit: (value: number) => void) => {
      for (let i = 0; i < n; i++) {
        const start = (i * channels + c) * positions;
        for (let k = start; k < start + positions; k++) visit(latents[k] ?? 0);
      }
    };
    each((value) => sum += value);
    const centre = sum / (n * positions);
    let squares = 0;
    each((value) => squares += (value - centre) ** 2);
    mean.push(centre);
    std.push(Math.sqrt(squares / (n * positions - 1)));
  }
  if (![...mean, ...std].every(Number.isFinite)) {
    throw new RangeError(
      "Cannot measure latents: a value is not finite; was the model trained?",
    );
  }
  return { mean, std };
}

/**
 * Gives samples the channel statistics of real latents:
 * (x - mean_p) / (std_p + 1e-6) std_t + mean_t.
 *
 * Source: published code. Statistics of training windows make the deployable
 * calibration, those of the test windows themselves the oracle.
 *
 * @param latents (n, channels, positions); not changed
 * @param predicted statistics of samples
 * @param target statistics of real latents
 * @returns as `latents`
 */
export function calibrate(
  latents: Float32Array,
  predicted: ChannelStatistics,
  target: ChannelStatistics,
  positions: number,
): Float32Array<ArrayBuffer> {
  const channels = predicted.mean.length;
  if (
    target.mean.length !== channels ||
    latents.length % (channels * positions) !== 0
  ) {
    throw new RangeError(
      `Cannot calibrate ${latents.length} values: statistics have ${channels} and ${target.mean.length} channels of ${positions} values`,
    );
  }
  return Float32Array.from(latents, (value, i) => {
    const c = Math.floor(i / positions) % channels;
    const pm = predicted.mean[c] ?? 0;
    const ps = predicted.std[c] ?? 1;
    return (value - pm) / (ps + 1e-6) * (target.std[c] ?? 1) +
      (target.mean[c] ?? 0);
  });
}
