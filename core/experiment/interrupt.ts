/** Thrown when a run stops because it was asked to. */
export class Interrupted extends Error {
  /** Exit status: 130 or 143. */
  readonly status: number;

  /**
   * Creates it.
   *
   * @param status exit status
   */
  constructor(status: number) {
    super("Interrupted");
    this.status = status;
  }
}

/** Whether a run was asked to stop. */
export interface InterruptState {
  /** Whether to stop. */
  readonly requested: boolean;
  /**
   * Stops if it was asked to.
   *
   * @throws {Interrupted} then
   */
  check(): void;
}

/** Listens for Ctrl-C and SIGTERM; a second one ends the process at once. */
export class Interrupt implements InterruptState, Disposable {
  #status = 0;
  readonly #told: ((status: number) => void)[] = [];
  readonly #listeners: readonly [Deno.Signal, () => void][];

  /** Starts to listen. */
  constructor() {
    const listen = (signal: Deno.Signal, status: number) => {
      const listener = () => {
        if (this.#status !== 0) Deno.exit(status);
        this.#status = status;
        for (const tell of this.#told) tell(status);
        console.error("\nStopping after this step; again to stop at once.");
      };
      Deno.addSignalListener(signal, listener);
      return [signal, listener] as [Deno.Signal, () => void];
    };
    this.#listeners = [listen("SIGINT", 130), listen("SIGTERM", 143)];
  }

  /** Whether to stop. */
  get requested(): boolean {
    return this.#status !== 0;
  }

  /**
   * Stops if it was asked to.
   *
   * @throws {Interrupted} then
   */
  check(): void {
    if (this.requested) throw new Interrupted(this.#status);
  }

  /**
   * Asks to be told of a stop.
   *
   * @param tell gets the exit status, at once if the stop was asked for before
   */
  listen(tell: (status: number) => void): void {
    this.#told.push(tell);
    if (this.requested) tell(this.#status);
  }

  /** Stops to listen. */
  [Symbol.dispose](): void {
    for (const [signal, listener] of this.#listeners) {
      Deno.removeSignalListener(signal, listener);
    }
  }
}
