import { Pace } from "./pace.ts";

/** Where a stage is. */
export interface StageProgress {
  /** Steps or frames done. */
  readonly done: number;
  /** Of how many. */
  readonly total: number;
  /** Mean loss, while training. */
  readonly loss?: number;
  /** What the first batch waits for. Default the compilation of kernels. */
  readonly waitsFor?: string;
  /** Speed and time left, where they are not those of `done`. */
  readonly pace?: Pick<Pace, "isWaiting" | "rate" | "left">;
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

/**
 * Writes a time as people say it: seconds, minutes, hours.
 *
 * @param seconds from 0
 */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60
    ? `${whole} s`
    : whole < 3600
    ? `${Math.floor(whole / 60)} min ${whole % 60} s`
    : `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
}

/** Where a line is written. */
export interface LineOutput {
  /** Writes as it is. */
  readonly write: (text: string) => void;
  /** Whether a line can be rewritten. */
  readonly isTerminal: () => boolean;
  /** Milliseconds. */
  readonly now: () => number;
}

const STDERR: LineOutput = {
  write: (text) => void Deno.stderr.writeSync(new TextEncoder().encode(text)),
  isTerminal: () => Deno.stderr.isTerminal(),
  now: () => performance.now(),
};

/** One line per stage: rewritten in a terminal, else one every few seconds. */
export class ProgressLine implements Progress {
  readonly #label: string;
  readonly #memory: () => number;
  readonly #keep: (line: string) => void;
  readonly #write: (text: string) => void;
  readonly #isTerminal: boolean;
  readonly #now: () => number;
  readonly #pace: Pace;
  readonly #start: number;
  #last = -Infinity;
  #isWaiting = false;
  #kept: number;
  #text = "";

  /**
   * Begins a line.
   *
   * @param label of the stage
   * @param memory bytes in use on the device
   * @param keep gets a line every few seconds and at the end, for a log
   * @param to where the line is written, and a clock of milliseconds; default
   *   the standard error output
   */
  constructor(
    label: string,
    memory: () => number,
    keep: (line: string) => void = () => {},
    to: LineOutput = STDERR,
  ) {
    this.#label = label;
    this.#memory = memory;
    this.#keep = keep;
    this.#write = to.write;
    this.#isTerminal = to.isTerminal();
    this.#now = to.now;
    this.#pace = new Pace(to.now);
    this.#start = this.#kept = to.now();
  }

  /** Shows where the stage is. */
  update(progress: StageProgress): void {
    const { done, total, loss, detail, bytes = this.#memory() } = progress;
    const now = this.#now();
    this.#pace.update(done, total);
    const { isWaiting, rate, left } = progress.pace ?? this.#pace;
    this.#text = [
      this.#label,
      `${done}/${total}`,
      ...(loss === undefined ? [] : [`loss ${loss.toFixed(4)}`]),
      ...(detail === undefined ? [] : [detail]),
      ...(isWaiting ? [progress.waitsFor ?? "compiling kernels"] : []),
      ...(rate === undefined ? [] : [`${rate.toFixed(rate < 10 ? 1 : 0)}/s`]),
      ...(left === undefined || done >= total
        ? []
        : [`${duration(left)} left`]),
      `${(bytes / 2 ** 20).toFixed(0)} MiB`,
    ].join("  ");
    if (now - this.#kept > 1000 * PLAIN_EVERY) {
      this.#kept = now;
      this.#keep(this.#text);
    }
    const due = this.#isTerminal ? 0.1 : PLAIN_EVERY;
    const isFirst = this.#isWaiting && !isWaiting;
    this.#isWaiting = isWaiting;
    if (now - this.#last < 1000 * due && !isFirst) return;
    this.#last = now;
    this.#write(
      this.#isTerminal ? `\r\x1b[2K${this.#text}` : `${this.#text}\n`,
    );
  }

  /** Ends the line with the time the stage took. */
  end(): void {
    const seconds = (this.#now() - this.#start) / 1000;
    const text = `${this.#text || this.#label}  (${duration(seconds)})`;
    this.#keep(text);
    this.#write(this.#isTerminal ? `\r\x1b[2K${text}\n` : `${text}\n`);
  }
}
