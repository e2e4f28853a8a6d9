/**
 * Mixes 32 bits so that every input bit changes half of the output bits.
 *
 * @param x unsigned 32-bit number
 * @returns unsigned 32-bit number, equal to `hash` of the ray caster
 */
export function hash(x: number): number {
  x = (x ^ (x >>> 16)) >>> 0;
  x = Math.imul(x, 0x7feb352d) >>> 0;
  x = (x ^ (x >>> 15)) >>> 0;
  x = Math.imul(x, 0x846ca68b) >>> 0;
  return (x ^ (x >>> 16)) >>> 0;
}

/**
 * A stream of numbers of one scene. Value i depends on (seed, stream, i) alone;
 * a 24-bit fraction, so that host and device agree bit for bit.
 */
export class WorldRandom {
  readonly #key: number;
  #index = 0;

  /**
   * Opens a stream.
   *
   * @param seed the scene
   * @param stream 1 road, 2 boxes, 3 traffic, 4 light, 5 driver
   */
  constructor(seed: number, stream: number) {
    this.#key = hash((hash(seed) + Math.imul(stream, 0x9e3779b9)) >>> 0);
  }

  /** A number of [low, high). */
  uniform(low = 0, high = 1): number {
    const word = hash(
      (this.#key + Math.imul(this.#index++, 0x85ebca6b)) >>> 0,
    );
    return low + (high - low) * ((word >>> 8) / 16777216);
  }

  /** A number of mean 0 and variance 1, the sum of four uniform ones. */
  normal(): number {
    const total = this.uniform() + this.uniform() + this.uniform() +
      this.uniform();
    return (total - 2) * Math.sqrt(3);
  }

  /** Whether an event of this probability happens. */
  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  /** An index by its probability. */
  pick(probabilities: readonly number[]): number {
    const u = this.uniform();
    let sum = 0;
    for (const [i, p] of probabilities.entries()) {
      sum += p;
      if (u < sum) return i;
    }
    return probabilities.length - 1;
  }

  /** One of a list, each as likely. */
  choose<T>(list: readonly T[]): T {
    const i = this.pick(list.map(() => 1 / list.length));
    return list[i] as T;
  }

  /** -1 or 1. */
  sign(): number {
    return this.chance(0.5) ? 1 : -1;
  }
}
