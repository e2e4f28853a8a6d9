/** Multiplier of the 128-bit congruential generator. */
const MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645n;

const MASK32 = 0xffffffffn;
const MASK64 = 0xffffffffffffffffn;

/** The hash of a seed's words; its constant changes with every use. */
function hasher(first: number, factor: number): (value: number) => number {
  let constant = first;
  return (value) => {
    const mixed = value ^ constant;
    constant = Math.imul(constant, factor);
    const product = Math.imul(mixed, constant);
    return (product ^ (product >>> 16)) >>> 0;
  };
}

/**
 * Spreads a seed over words, as `numpy.random.SeedSequence`.
 *
 * @param entropy the seed, 0 to 2^32 - 1
 * @returns four words of 64 bits
 */
function seedSequence(entropy: number): bigint[] {
  const mix = (x: number, y: number) => {
    const r = Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y);
    return (r ^ (r >>> 16)) >>> 0;
  };
  const take = hasher(0x43b0d7e5, 0x931e8875);
  const pool = [entropy, 0, 0, 0].map(take);
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) {
      if (from !== to) pool[to] = mix(pool[to]!, take(pool[from]!));
    }
  }
  const give = hasher(0x8b51f9dd, 0x58f38ded);
  const words = Array.from({ length: 8 }, (_, i) => BigInt(give(pool[i % 4]!)));
  return [0, 2, 4, 6].map((i) => words[i]! | words[i + 1]! << 32n);
}

/**
 * NumPy's `default_rng(seed)`: PCG64 seeded by a seed sequence. Draws are those
 * of NumPy to the last bit, so that published intervals can be drawn again.
 *
 * Source: O'Neill 2014, PCG XSL RR 128/64; Lemire 2019 for bounded integers;
 * numpy 1.17 and later.
 */
export class NumpyGenerator {
  #state = 0n;
  readonly #increment: bigint;
  #kept: number | undefined;

  /**
   * Seeds it.
   *
   * @param seed a whole number from 0 to 2^32 - 1
   * @throws {RangeError} if it is none
   */
  constructor(seed: number) {
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
      throw new RangeError(
        `Cannot seed NumPy's generator by ${seed}: it needs a whole number from 0 to 4294967295`,
      );
    }
    const [a, b, c, d] = seedSequence(seed) as [bigint, bigint, bigint, bigint];
    this.#increment = BigInt.asUintN(128, (c << 64n | d) << 1n | 1n);
    this.#step();
    this.#state = BigInt.asUintN(128, this.#state + (a << 64n | b));
    this.#step();
  }

  #step(): void {
    this.#state = BigInt.asUintN(
      128,
      this.#state * MULTIPLIER + this.#increment,
    );
  }

  /** The next 64 bits. */
  next64(): bigint {
    this.#step();
    const folded = this.#state >> 64n ^ this.#state & MASK64;
    const turn = this.#state >> 122n;
    return BigInt.asUintN(64, folded >> turn | folded << (64n - turn));
  }

  /** The next 32 bits: the lower half of 64, then the upper one. */
  next32(): number {
    const kept = this.#kept;
    if (kept !== undefined) {
      this.#kept = undefined;
      return kept;
    }
    const word = this.next64();
    this.#kept = Number(word >> 32n);
    return Number(word & MASK32);
  }

  /**
   * Draws whole numbers, as `rng.integers(0, end, size=count)`.
   *
   * @param end first number that is too large, 1 to 2^32 - 1
   * @param count how many
   * @returns numbers from 0 to `end - 1`
   * @throws {RangeError} if `end` is out of range
   */
  integers(end: number, count: number): Uint32Array<ArrayBuffer> {
    if (!Number.isInteger(end) || end < 1 || end > 0xffffffff) {
      throw new RangeError(
        `Cannot draw whole numbers below ${end}: it needs one from 1 to 4294967295`,
      );
    }
    const drawn = new Uint32Array(count);
    // One number to choose from uses no bits.
    if (end === 1) return drawn;
    for (let i = 0; i < count; i++) drawn[i] = this.#below(end);
    return drawn;
  }

  /** A number below `end`, each equally likely. */
  #below(end: number): number {
    const wide = BigInt(end);
    const least = (2 ** 32 - end) % end;
    let product = BigInt(this.next32()) * wide;
    while (Number(product & MASK32) < least) {
      product = BigInt(this.next32()) * wide;
    }
    return Number(product >> 32n);
  }

  /**
   * Chooses indices, as `rng.choice(population, size=count, replace)`.
   *
   * @param population how many there are
   * @param count how many are chosen
   * @param options whether one may be chosen twice; default true, as NumPy
   * @returns indices from 0 to `population - 1`, in the order of NumPy
   * @throws {RangeError} if more are to be chosen than there are
   */
  choice(
    population: number,
    count: number,
    { replace = true }: { readonly replace?: boolean } = {},
  ): Uint32Array<ArrayBuffer> {
    if (replace) return this.integers(population, count);
    if (count > population) {
      throw new RangeError(
        `Cannot choose ${count} of ${population} without replacement: it needs at most ${population}`,
      );
    }
    // NumPy shuffles the tail where many of a large population are chosen, and
    // else takes Floyd's set.
    if (population > 10_000 && count > Math.floor(population / 50)) {
      const all = Uint32Array.from({ length: population }, (_, i) => i);
      this.#shuffle(all, Math.max(population - count, 1));
      return all.slice(population - count);
    }
    const chosen = new Uint32Array(count);
    const seen = new Set<number>();
    for (let i = 0; i < count; i++) {
      const last = population - count + i;
      const drawn = last === 0 ? 0 : this.#below(last + 1);
      chosen[i] = seen.has(drawn) ? last : drawn;
      seen.add(chosen[i]!);
    }
    this.#shuffle(chosen, 1);
    return chosen;
  }

  /** Swaps each element, from the last down to `first`, with one before it. */
  #shuffle(list: Uint32Array, first: number): void {
    for (let i = list.length - 1; i >= first; i--) {
      const j = this.#below(i + 1);
      [list[i], list[j]] = [list[j]!, list[i]!];
    }
  }
}
