/** Mean and standard deviation of each latent channel. */
export interface ChannelStatistics {
  /** (channels) */
  readonly mean: readonly number[];
  /** (channels), unbiased */
  readonly std: readonly number[];
}

/**
 * Measures latents channel by channel, over windows and positions. One batch is
 * needed at a time.
 *
 * @param batches each (n, channels, positions) in row-major order; walked
 *   twice, for the mean and then for the deviation
 * @param channels number of channels
 * @param positions values of a channel
 * @throws {RangeError} if a length does not fit, or a value is not finite
 */
export function channelStatistics(
  batches: Iterable<Float32Array>,
  channels: number,
  positions: number,
): ChannelStatistics {
  const size = channels * positions;
  /** Sums a function of the values of each channel; counts the values. */
  const total = (of: (value: number, channel: number) => number) => {
    const sums: number[] = Array(channels).fill(0);
    let count = 0;
    for (const latents of batches) {
      if (latents.length % size !== 0) {
        throw new RangeError(
          `Cannot measure ${latents.length} latent values: they need whole samples of ${channels} channels with ${positions} values`,
        );
      }
      for (let start = 0; start < latents.length; start += size) {
        for (let c = 0; c < channels; c++) {
          const first = start + c * positions;
          for (let k = first; k < first + positions; k++) {
            sums[c]! += of(latents[k]!, c);
          }
        }
      }
      count += latents.length / channels;
    }
    return { sums, count };
  };
  const { sums, count } = total((value) => value);
  if (count < 2) {
    throw new RangeError(
      `Cannot measure ${count} latent values of a channel: needed at least 2`,
    );
  }
  const mean = sums.map((sum) => sum / count);
  const squares = total((value, c) => (value - mean[c]!) ** 2);
  const std = squares.sums.map((sum) => Math.sqrt(sum / (count - 1)));
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
