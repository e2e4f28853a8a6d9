/** Four 32-bit words. */
export type Words4 = readonly [number, number, number, number];

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** High 32 bits of a 32 x 32 bit product. */
function mulHigh(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  const middle = ah * bl + ((al * bl) >>> 16);
  const carry = al * bh + (middle & 0xffff);
  return (ah * bh + Math.floor(middle / 0x10000) +
    Math.floor(carry / 0x10000)) >>> 0;
}

/**
 * The counter-based generator Philox 4x32 with 10 rounds.
 *
 * Source: Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy
 * as 1, 2, 3".
 *
 * @param counter four words
 * @param key two words
 * @returns four random words
 */
export function philox4x32(
  counter: Words4,
  key: readonly [number, number],
): Words4 {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, c0);
    const low0 = Math.imul(M0, c0) >>> 0;
    const high1 = mulHigh(M1, c2);
    const low1 = Math.imul(M1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/**
 * Names a stream of random numbers: 64 bits from a seed, a name and integers.
 *
 * Draw `i` of a stream is a function of the key and `i` alone, so no batch
 * size, order or resume point changes it.
 */
export class Key {
  /**
   * Takes the words as they are; {@linkcode key} derives them.
   *
   * @param words the generator's key
   */
  constructor(readonly words: readonly [number, number]) {}

  /**
   * Derives an independent stream.
   *
   * @param index which one, a non-negative integer below 2^53
   */
  fold(index: number): Key {
    const low = index >>> 0;
    const high = Math.floor(index / 2 ** 32) >>> 0;
    const [a, b] = philox4x32([low, high, 0x666f6c64, 0], this.words);
    return new Key([a, b]);
  }

  /**
   * Four words of the stream.
   *
   * @param block which four; word `i` of the stream is word `i % 4` of block
   *   `floor(i / 4)`
   */
  block(block: number): Words4 {
    const high = Math.floor(block / 2 ** 32) >>> 0;
    return philox4x32([block >>> 0, high, 0, 0], this.words);
  }

  /** Word `index` of the stream. */
  word(index: number): number {
    return this.block(Math.floor(index / 4))[index % 4]!;
  }

  /** Draw `index`, uniform on [0, 1) in steps of 2^-24. */
  uniform(index: number): number {
    return (this.word(index) >>> 8) * 2 ** -24;
  }

  /**
   * Draw `index`, standard normal by Box and Muller in float64; draws 2i and
   * 2i + 1 share words 2i and 2i + 1.
   */
  normal(index: number): number {
    const pair = index - index % 2;
    const radius = Math.sqrt(
      -2 * Math.log(((this.word(pair) >>> 8) + 1) * 2 ** -24),
    );
    const angle = 2 * Math.PI * (this.word(pair + 1) >>> 8) * 2 ** -24;
    return radius * (index % 2 === 0 ? Math.cos(angle) : Math.sin(angle));
  }

  /**
   * Draw `index`, an integer below `count` (bias below count / 2^32).
   *
   * @param count 1 to 2^32
   */
  integer(index: number, count: number): number {
    return Math.floor(this.word(index) / 2 ** 32 * count);
  }

  /**
   * A random order of 0, ..., count - 1 (Fisher and Yates).
   *
   * @param count how many
   */
  permutation(count: number): Uint32Array<ArrayBuffer> {
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i, i + 1);
      const other = order[j]!;
      order[j] = order[i]!;
      order[i] = other;
    }
    return order;
  }
}

/**
 * Makes the key of a named stream.
 *
 * @param stream name of what is drawn, such as "noise"
 * @param seed the run's seed, a non-negative integer below 2^53
 * @param indices further integers, such as a step, or names, such as a scene's
 * @throws {RangeError} if a number is not such an integer
 * @example
 * ```ts
 * import { key } from "./philox.ts";
 * const noise = key("noise", 0, 17);
 * noise.normal(0); // the same on every machine
 * ```
 */
export function key(
  stream: string,
  seed: number,
  ...indices: (number | string)[]
): Key {
  for (const index of [seed, ...indices]) {
    if (typeof index === "string") continue;
    if (!Number.isSafeInteger(index) || index < 0) {
      throw new RangeError(
        `Cannot make the random key "${stream}": ${index} must be a non-negative integer`,
      );
    }
  }
  let result = new Key([hashOf(stream), 0x77616374]).fold(seed);
  for (const index of indices) {
    result = result.fold(typeof index === "string" ? hashOf(index) : index);
  }
  return result;
}

/** FNV-1a of a name, 32 bits. */
function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return hash;
}
