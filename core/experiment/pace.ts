/** Batches that are looked at, the last ones. */
const RECENT = 25;

/** Batches and seconds that are measured before a rate is told. */
const LEAST = { batches: 3, seconds: 2 };

/**
 * How fast a work goes: the median over its last batches. The first batch is
 * left out, since kernels are compiled for it.
 */
export class Pace {
  readonly #now: () => number;
  readonly #secondsEach: number[] = [];
  #measured = 0;
  #batches = -1;
  #last: { readonly done: number; readonly at: number } | undefined;
  #total = 0;

  /**
   * Creates it; the work has not begun.
   *
   * @param now gives milliseconds
   */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * Notes how far the work is. The first call says where it begins.
   *
   * @param done items
   * @param total items
   */
  update(done: number, total: number): void {
    this.#total = total;
    const at = this.#now();
    const before = this.#last;
    if (before !== undefined && done === before.done) return;
    this.#last = { done, at };
    if (before === undefined || done < before.done) return;
    this.#batches++;
    if (this.#batches === 0) return;
    const seconds = (at - before.at) / 1000;
    this.#measured += seconds;
    this.#secondsEach.push(seconds / (done - before.done));
    if (this.#secondsEach.length > RECENT) this.#secondsEach.shift();
  }

  /** Whether the first batch is waited for. */
  get isWaiting(): boolean {
    return this.#batches < 0 && (this.#last?.done ?? 0) < this.#total;
  }

  /** Items a second, or undefined while too few batches are measured. */
  get rate(): number | undefined {
    if (this.#batches < LEAST.batches || this.#measured < LEAST.seconds) {
      return undefined;
    }
    const sorted = this.#secondsEach.toSorted((a, b) => a - b);
    return 1 / sorted[Math.floor(sorted.length / 2)]!;
  }

  /** Seconds of all the work at this rate, or undefined as `rate`. */
  get seconds(): number | undefined {
    const { rate } = this;
    return rate === undefined ? undefined : this.#total / rate;
  }

  /** Seconds that are left, or undefined as `rate`. */
  get left(): number | undefined {
    const { rate } = this;
    if (rate === undefined) return undefined;
    return Math.max(0, this.#total - (this.#last?.done ?? 0)) / rate;
  }
}
