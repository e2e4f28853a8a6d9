import type { FrameJob, FrameOptions, LoadedFrame } from "./frame_job.ts";

/** Frames that are read ahead per worker. */
const AHEAD = 4;

/**
 * Loads frames in worker threads, in order, some frames ahead of who takes
 * them.
 */
export class FrameLoader implements Disposable {
  readonly #workers: readonly Worker[];

  /**
   * Starts the threads.
   *
   * @param workers how many; default 2
   */
  constructor(workers = 2) {
    const url = new URL("./frame_worker.ts", import.meta.url);
    this.#workers = Array.from(
      { length: workers },
      () => new Worker(url, { type: "module" }),
    );
  }

  /**
   * Loads frames. A file that cannot be read comes as an error text, and the
   * others follow.
   *
   * @param paths files
   * @param options size, crop, filter
   */
  async *load(
    paths: readonly string[],
    options: FrameOptions,
  ): AsyncGenerator<LoadedFrame> {
    const waiting = new Map<number, (frame: LoadedFrame) => void>();
    const frames = new Map<number, Promise<LoadedFrame>>();
    let next = 0;
    const ask = (worker: Worker) => {
      const index = next++;
      const path = paths[index];
      if (path === undefined) return;
      frames.set(
        index,
        new Promise((resolve) => {
          waiting.set(index, resolve);
          const job: FrameJob = { index, path, ...options };
          worker.postMessage(job);
        }),
      );
    };
    for (const worker of this.#workers) {
      worker.onmessage = ({ data }: MessageEvent<LoadedFrame>) => {
        waiting.get(data.index)?.(data);
        waiting.delete(data.index);
      };
      worker.onerror = (event) => {
        event.preventDefault();
        for (const [index, resolve] of waiting) {
          const path = paths[index] ?? "";
          resolve({ index, path, error: event.message });
        }
        waiting.clear();
      };
    }
    for (let k = 0; k < AHEAD; k++) this.#workers.forEach(ask);
    for (let index = 0; index < paths.length; index++) {
      const frame = await frames.get(index);
      frames.delete(index);
      const worker = this.#workers[index % this.#workers.length];
      if (worker) ask(worker);
      if (frame) yield frame;
    }
  }

  /** Ends the threads. */
  [Symbol.dispose](): void {
    for (const worker of this.#workers) worker.terminate();
  }
}
