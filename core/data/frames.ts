import type { FrameJob, FrameOptions, LoadedFrame } from "./frame_job.ts";

/** Frames that are read ahead per worker, unless told otherwise. */
const AHEAD = 4;

/** A job that a worker has. */
interface Asked {
  readonly job: FrameJob;
  readonly resolve: (frame: LoadedFrame) => void;
}

/**
 * Loads frames in worker threads, in order, some frames ahead of who takes
 * them.
 */
export class FrameLoader implements Disposable {
  readonly #workers: readonly Worker[];
  readonly #asked = new Map<number, Asked>();
  #count = 0;

  /**
   * Starts the threads.
   *
   * @param workers how many; default 2
   */
  constructor(workers = 2) {
    const url = new URL("./frame_worker.ts", import.meta.url);
    this.#workers = Array.from({ length: workers }, () => {
      const worker = new Worker(url, { type: "module" });
      worker.onmessage = ({ data }: MessageEvent<LoadedFrame>) => {
        const asked = this.#asked.get(data.index);
        this.#asked.delete(data.index);
        asked?.resolve({ ...data, index: asked.job.index });
      };
      worker.onerror = (event) => {
        event.preventDefault();
        for (const { job: { index, path }, resolve } of this.#asked.values()) {
          resolve({ index, path, error: event.message });
        }
        this.#asked.clear();
      };
      return worker;
    });
  }

  /** Gives a job to the next worker, under a number that no other job has. */
  #ask(job: FrameJob): Promise<LoadedFrame> {
    const number = this.#count++;
    return new Promise((resolve) => {
      this.#asked.set(number, { job, resolve });
      this.#workers[number % this.#workers.length]
        ?.postMessage({ ...job, index: number });
    });
  }

  /**
   * Loads frames. A file that cannot be read comes as an error text, and the
   * others follow. Calls may overlap.
   *
   * @param paths files
   * @param options size, crop, filter
   * @param ahead frames that are read ahead; default 4 a thread
   */
  async *load(
    paths: readonly string[],
    options: FrameOptions,
    ahead: number = AHEAD * this.#workers.length,
  ): AsyncGenerator<LoadedFrame> {
    const frames = new Map<number, Promise<LoadedFrame>>();
    let next = 0;
    const ask = () => {
      const index = next++;
      const path = paths[index];
      if (path === undefined) return;
      frames.set(index, this.#ask({ index, path, ...options }));
    };
    for (let k = 0; k < ahead; k++) ask();
    for (let index = 0; index < paths.length; index++) {
      const frame = await frames.get(index);
      frames.delete(index);
      ask();
      if (frame) yield frame;
    }
  }

  /** Ends the threads. */
  [Symbol.dispose](): void {
    for (const worker of this.#workers) worker.terminate();
  }
}
