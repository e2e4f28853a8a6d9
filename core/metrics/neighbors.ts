function countRows(
  name: string,
  values: ArrayLike<number>,
  width: number,
): number {
  const n = values.length / width;
  if (!Number.isInteger(n) || n < 1) {
    throw new RangeError(
      `Cannot find neighbours: ${values.length} values of the ${name} are not whole rows of ${width}`,
    );
  }
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new RangeError(
        `Cannot find neighbours: value ${i % width} of row ${
          Math.floor(i / width)
        } of the ${name} is ${values[i]}`,
      );
    }
  }
  return n;
}

/** Values after which a sum is compared with the best one so far. */
const BLOCK = 64;

/**
 * Prepares references for many calls of {@linkcode nearestDistances}: they are
 * checked once, and not copied.
 *
 * @param references (m, width), such as latents of training frames
 * @param width length of a row
 * @returns gives the Euclidean distance of each of (n, width) samples to the
 *   nearest reference
 * @throws {RangeError} as {@linkcode nearestDistances}
 */
export function nearestTo(
  references: Float32Array | Float64Array,
  width: number,
): (samples: ArrayLike<number>) => Float64Array {
  const m = countRows("references", references, width);
  return (samples) => {
    const n = countRows("samples", samples, width);
    return Float64Array.from({ length: n }, (_, i) => {
      const x = Float64Array.from(
        { length: width },
        (_, k) => samples[i * width + k]!,
      );
      let best = Infinity;
      for (let j = 0; j < m; j++) {
        let sum = 0;
        // A sum that is already too large is not finished.
        for (let start = 0; start < width && sum < best; start += BLOCK) {
          const end = Math.min(start + BLOCK, width);
          for (let k = start; k < end; k++) {
            const change = x[k]! - references[j * width + k]!;
            sum += change * change;
          }
        }
        best = Math.min(best, sum);
      }
      return Math.sqrt(best);
    });
  };
}

/**
 * Euclidean distance of each sample to the nearest reference.
 *
 * @param samples (n, width)
 * @param references (m, width), such as latents of training frames
 * @param width length of a row
 * @returns (n)
 * @throws {RangeError} if there is no row, rows are incomplete, or a value is
 *   not finite
 */
export function nearestDistances(
  samples: ArrayLike<number>,
  references: ArrayLike<number>,
  width: number,
): Float64Array {
  return nearestTo(Float64Array.from(references), width)(samples);
}

/**
 * Mean {@linkcode nearestDistances}: how far samples lie from what was seen in
 * training. Below the value of held-out real frames, they may be memorized;
 * above it, they have left the manifold.
 *
 * @param samples (n, width)
 * @param references (m, width)
 * @param width length of a row
 * @returns the mean distance
 * @throws {RangeError} as {@linkcode nearestDistances}
 */
export function manifoldDistance(
  samples: ArrayLike<number>,
  references: ArrayLike<number>,
  width: number,
): number {
  const distances = nearestDistances(samples, references, width);
  return distances.reduce((sum, x) => sum + x, 0) / distances.length;
}

/**
 * How much samples of one window differ: the Euclidean distance of two of its
 * samples, averaged over their pairs and then over windows.
 *
 * @param samplesPerWindow the samples of each window, at least two, all equally
 *   long
 * @returns the mean distance
 * @throws {RangeError} if there is no window, one has fewer than two samples,
 *   lengths differ, or a value is not finite
 */
export function diversity(
  samplesPerWindow: readonly (readonly ArrayLike<number>[])[],
): number {
  const width = samplesPerWindow[0]?.[0]?.length ?? 0;
  let total = 0;
  for (const [window, samples] of samplesPerWindow.entries()) {
    if (samples.length < 2) {
      throw new RangeError(
        `Cannot measure diversity: window ${window} has ${samples.length} samples, needed at least 2`,
      );
    }
    for (const [i, sample] of samples.entries()) {
      if (sample.length === width && width > 0) continue;
      throw new RangeError(
        `Cannot measure diversity: sample ${i} of window ${window} has ${sample.length} values, needed ${
          width || "at least 1"
        }`,
      );
    }
    let sum = 0;
    for (let i = 0; i < samples.length; i++) {
      for (let j = i + 1; j < samples.length; j++) {
        const [x, y] = [samples[i]!, samples[j]!];
        let squares = 0;
        for (let k = 0; k < width; k++) squares += (x[k]! - y[k]!) ** 2;
        sum += Math.sqrt(squares);
      }
    }
    total += sum / (samples.length * (samples.length - 1) / 2);
  }
  const value = total / samplesPerWindow.length;
  if (!Number.isFinite(value)) {
    throw new RangeError(
      `Cannot measure diversity of ${samplesPerWindow.length} windows: needed at least 1, with finite values`,
    );
  }
  return value;
}
