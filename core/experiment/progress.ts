/** Where a stage is. */
export interface StageProgress {
  /** Steps or frames done. */
  readonly done: number;
  /** Of how many. */
  readonly total: number;
  /** Mean loss, while training. */
  readonly loss?: number;
  /** What else is known, such as the losses of several trainings. */
  readonly detail?: string;
  /** Bytes in use on the device. */
  readonly bytes?: number;
}

/** Shows how far a stage is. */
export interface Progress {
  /** Shows where it is. */
  update(progress: StageProgress): void;
  /** Ends it. */
  end(): void;
}

/** Seconds between two lines of a log, or where the output is no terminal. */
const PLAIN_EVERY = 10;

function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  const whole = Math.round(seconds);
  return whole < 60
    ? `${whole} s`
    : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** One line per stage: rewritten in a terminal, else one every few seconds. */
export class ProgressLine implements Progress {
  readonly #label: string;
  readonly #memory: () => number;
  readonly #keep: (line: string) => void;
  readonly #isTerminal = Deno.stderr.isTerminal();
  readonly #start = performance.now();
  #first: number | undefined;
  #last = 0;
  #kept = performance.now();
  #text = "";

  /**
   * Begins a line.
   *
   * @param label of the stage
   * @param memory bytes in use on the device
   * @param keep gets a line every few seconds and at the end, for a log
   */
  constructor(
    label: string,
    memory: () => number,
    keep: (line: string) => void = () => {},
  ) {
    this.#label = label;
    this.#memory = memory;
    this.#keep = keep;
  }

  /** Shows where the stage is. */
  update(progress: StageProgress): void {
    const { done, total, loss, detail, bytes = this.#memory() } = progress;
    const now = performance.now();
    this.#first ??= done;
    const seconds = (now - this.#start) / 1000;
    const rate = (done - this.#first) / Math.max(seconds, 1e-9);
    const left = (total - done) / rate;
    this.#text = [
      this.#label,
      `${done}/${total}`,
      ...(loss === undefined ? [] : [`loss ${loss.toFixed(4)}`]),
      ...(detail === undefined ? [] : [detail]),
      ...(rate > 0 ? [`${rate.toFixed(rate < 10 ? 1 : 0)}/s`] : []),
      ...(done < total && rate > 0 ? [`${duration(left)} left`] : []),
      `${(bytes / 2 ** 20).toFixed(0)} MiB`,
    ].join("  ");
    if (now - this.#kept > 1000 * PLAIN_EVERY) {
      this.#kept = now;
      this.#keep(this.#text);
    }
    const due = this.#isTerminal ? 0.1 : PLAIN_EVERY;
    if (now - this.#last < 1000 * due) return;
    this.#last = now;
    this.#write(
      this.#isTerminal ? `\r\x1b[2K${this.#text}` : `${this.#text}\n`,
    );
  }

  /** Ends the line with the time the stage took. */
  end(): void {
    const seconds = (performance.now() - this.#start) / 1000;
    const text = `${this.#text || this.#label}  (${duration(seconds)})`;
    this.#keep(text);
    this.#write(this.#isTerminal ? `\r\x1b[2K${text}\n` : `${text}\n`);
  }

  #write(text: string): void {
    Deno.stderr.writeSync(new TextEncoder().encode(text));
  }
}
