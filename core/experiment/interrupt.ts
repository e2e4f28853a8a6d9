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

/** A stop that all threads of a run see at once. */
export class StopFlag implements InterruptState {
  /** Holds the exit status of a requested stop; 0 to go on. */
  readonly buffer: SharedArrayBuffer;
  readonly #status: Int32Array;

  /**
   * Creates it.
   *
   * @param buffer of another thread's flag; a new one unless given
   */
  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(4)) {
    this.buffer = buffer;
    this.#status = new Int32Array(buffer);
  }

  /** Whether to stop. */
  get requested(): boolean {
    return Atomics.load(this.#status, 0) !== 0;
  }

  /**
   * Stops if it was asked to.
   *
   * @throws {Interrupted} then
   */
  check(): void {
    const status = Atomics.load(this.#status, 0);
    if (status !== 0) throw new Interrupted(status);
  }
}

/**
 * Listens for Ctrl-C and SIGTERM; a second one ends the process at once. It
 * listens on a thread of its own, so that both are heard inside a batch that
 * takes minutes.
 */
export class Interrupt extends StopFlag implements Disposable {
  readonly #worker: Worker;

  private constructor(worker: Worker) {
    super();
    this.#worker = worker;
  }

  /** Starts to listen. */
  static async open(): Promise<Interrupt> {
    const url = new URL("./interrupt_worker.ts", import.meta.url);
    const worker = new Worker(url, { type: "module" });
    const interrupt = new Interrupt(worker);
    const ready = new Promise((resolve) => worker.onmessage = resolve);
    worker.postMessage(interrupt.buffer);
    await ready;
    return interrupt;
  }

  /** Stops to listen. */
  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}
