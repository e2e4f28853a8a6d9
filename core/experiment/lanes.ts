/**
 * Work of an experiment on several threads, each with a device of its own.
 *
 * A software adapter runs what is submitted inside the call, so that one thread
 * records and computes in turns, and its small kernels leave cores idle. Two
 * lanes, each with a share of the cores, keep them busy. A GPU gets one lane.
 *
 * What a lane makes, it leaves in the run folder; inputs and results are plain
 * JSON. So it does not matter which lane does what, nor how many there are.
 *
 * @module
 */

import { Gpu } from "../gpu/gpu.ts";
import { Artifacts, type ArtifactsOptions } from "./artifact.ts";
import type { ExperimentContext, StageContext } from "./experiment.ts";
import type { CommonFlags } from "./flags.ts";
import { Interrupted, StopFlag } from "./interrupt.ts";
import { Pace } from "./pace.ts";
import type { Progress, StageProgress } from "./progress.ts";
import { RunDirectory } from "./run_directory.ts";

/** The jobs of a lane by name. */
export type LaneJobs<P> = Readonly<
  Record<string, (context: StageContext<P>, input: never) => Promise<unknown>>
>;

/**
 * Number of lanes for a device: two on a software adapter with several cores,
 * else one.
 *
 * @param gpu the device
 */
export function laneCount(gpu: Gpu): number {
  return gpu.isSoftware && navigator.hardwareConcurrency > 1 ? 2 : 1;
}

/** Who makes artifacts, where, and by which sources. */
export type Making = Omit<ArtifactsOptions, "adapter">;

/** What a lane is told when it starts. */
interface Setup<P> {
  readonly kind: "setup";
  readonly params: P;
  readonly flags: CommonFlags;
  readonly path: string;
  readonly command: string;
  readonly making: Making;
  /** Of the run's flag. */
  readonly stop: SharedArrayBuffer;
}

interface Order {
  readonly kind: "job";
  readonly job: string;
  readonly input: unknown;
  /** Stage of the run that the result is kept as, if it is. */
  readonly keptAs?: string;
}

/** What a lane tells. */
type Message =
  | { readonly kind: "log"; readonly line: string }
  | { readonly kind: "progress"; readonly progress: StageProgress }
  | { readonly kind: "done"; readonly result: unknown }
  | { readonly kind: "stopped"; readonly status: number }
  | { readonly kind: "failed"; readonly message: string };

/**
 * Serves jobs in a worker thread. To be called once by the worker's module.
 *
 * @param jobs by name
 */
export function serveLane<P>(jobs: LaneJobs<P>): void {
  const scope = self as unknown as Worker;
  const tell = (message: Message) => scope.postMessage(message);
  let setup: Setup<P> | undefined;
  let context: StageContext<P> | undefined;
  const open = async (
    { params, flags, path, command, making, stop }: Setup<P>,
  ): Promise<StageContext<P>> => {
    const gpu = await Gpu.open();
    return {
      gpu,
      params,
      flags,
      command,
      run: RunDirectory.inside(path),
      artifacts: new Artifacts({ ...making, adapter: () => gpu.adapter }),
      interrupt: new StopFlag(stop),
      progress: (): Progress => ({
        update: (progress) =>
          tell({
            kind: "progress",
            progress: { ...progress, bytes: gpu.memory().bytes },
          }),
        end: () => {},
      }),
      log: (line: string) => tell({ kind: "log", line }),
    };
  };
  scope.onmessage = async ({ data }: MessageEvent<Setup<P> | Order>) => {
    if (data.kind === "setup") {
      setup = data;
      return;
    }
    try {
      const job = jobs[data.job];
      if (setup === undefined || job === undefined) {
        throw new TypeError(
          `Cannot do "${data.job}": the lane's jobs are ${
            Object.keys(jobs).join(", ")
          }`,
        );
      }
      context ??= await open(setup);
      context.interrupt.check();
      const on = context;
      const work = () => job(on, data.input as never);
      const result = data.keptAs === undefined
        ? await work()
        : await on.run.stage(data.keptAs, work);
      tell({ kind: "done", result });
    } catch (error) {
      tell(
        error instanceof Interrupted
          ? { kind: "stopped", status: error.status }
          : { kind: "failed", message: (error as Error).message },
      );
    }
  };
}

/** A task that has begun. */
interface Begun {
  readonly label: string;
  readonly pace: Pace;
  readonly progress: StageProgress;
}

/**
 * Seconds until all tasks are done: those that go on at their own pace, the
 * others as long as those that have begun on average, on all lanes alike.
 *
 * @returns undefined while a task that goes on is not measured
 */
function secondsLeft(
  begun: readonly Begun[],
  active: readonly Begun[],
  toCome: number,
  lanes: number,
): number | undefined {
  const left = active.map(({ pace }) => pace.left ?? NaN);
  const known = begun.flatMap(({ pace }) => pace.seconds ?? []);
  const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
  const further = toCome === 0 ? 0 : toCome * sum(known) / known.length;
  const seconds = Math.max(...left, (sum(left) + further) / lanes);
  return Number.isNaN(seconds) ? undefined : seconds;
}

/** How far several tasks are, of those that have begun. */
function together(
  begun: readonly Begun[],
  toCome: number,
  lanes: number,
  bytes: Iterable<number>,
): StageProgress {
  const active = begun
    .filter(({ progress: { done, total } }) => done < total);
  const sum = (list: readonly Begun[], pick: (each: Begun) => number) =>
    list.reduce((total, each) => total + pick(each), 0);
  const details = begun.flatMap(({ label, progress: { loss } }) =>
    loss === undefined ? [] : [`${label} loss ${loss.toFixed(4)}`]
  );
  if (toCome > 0) details.push(`${toCome} more to come`);
  const rate = sum(active, ({ pace }) => pace.rate ?? NaN);
  const waiting = active.filter(({ pace }) => pace.isWaiting);
  const waitsFor = waiting.at(-1)?.progress.waitsFor;
  return {
    done: sum(begun, ({ progress }) => progress.done),
    total: sum(begun, ({ progress }) => progress.total),
    bytes: [...bytes].reduce((total, own) => total + own, 0),
    pace: {
      isWaiting: waiting.length > 0 && waiting.length === active.length,
      rate: rate > 0 ? rate : undefined,
      left: secondsLeft(begun, active, toCome, lanes),
    },
    ...(waitsFor === undefined ? {} : { waitsFor }),
    ...(details.length > 0 ? { detail: details.join(", ") } : {}),
  };
}

/** Work for a lane. */
export interface LaneTask {
  /** Name of the job. */
  readonly job: string;
  /** Its input, plain JSON. */
  readonly input: unknown;
  /** Name in the progress line. */
  readonly label: string;
  /** Stage of the run that the result is kept as, if it is. */
  readonly keptAs?: string;
}

/** The threads of a run. */
export class Lanes<P> implements Disposable {
  readonly #workers: readonly Worker[];
  readonly #log: (line: string) => void;

  /**
   * Starts the threads.
   *
   * @param module of the worker, which calls {@linkcode serveLane}
   * @param count how many
   * @param context of the run
   * @param making who makes artifacts, and where
   */
  constructor(
    module: URL,
    count: number,
    context: Omit<ExperimentContext<P>, "lanes">,
    making: Making,
  ) {
    const { params, flags, run, command, interrupt } = context;
    this.#log = context.log;
    const setup: Setup<P> = {
      kind: "setup",
      params,
      flags,
      path: run.path,
      command,
      making,
      stop: interrupt.buffer,
    };
    this.#workers = Array.from({ length: count }, () => {
      const worker = new Worker(module, { type: "module" });
      worker.postMessage(setup);
      return worker;
    });
  }

  /** Number of threads. */
  get count(): number {
    return this.#workers.length;
  }

  /**
   * Does work on all lanes at once, in the order given as lanes become free,
   * under one progress line.
   *
   * @param label of the line
   * @param tasks what to do
   * @param line shows how far all of it is
   * @returns the results, in the order of the tasks
   * @throws {Interrupted} if the run was asked to stop
   * @throws {Error} with the message of the first task that failed, after the
   *   others that were begun have ended
   */
  async all(tasks: readonly LaneTask[], line: Progress): Promise<unknown[]> {
    const results = new Array<unknown>(tasks.length);
    const begun = new Map<number, Begun>();
    const bytes = new Map<Worker, number>();
    const errors: Error[] = [];
    let next = 0;
    const serve = async (worker: Worker) => {
      while (next < tasks.length && errors.length === 0) {
        const index = next++;
        const task = tasks[index];
        if (task === undefined) return;
        const { label } = task;
        const pace = new Pace();
        try {
          results[index] = await this.#do(worker, task, (progress) => {
            pace.update(progress.done, progress.total);
            begun.set(index, { label, pace, progress });
            bytes.set(worker, progress.bytes ?? 0);
            const all = [...begun.values()];
            const toCome = tasks.length - next;
            line.update(together(all, toCome, this.count, bytes.values()));
          });
        } catch (error) {
          errors.push(error as Error);
        }
      }
    };
    await Promise.all(this.#workers.map(serve));
    line.end();
    const [first] = errors;
    if (first !== undefined) throw first;
    return results;
  }

  #do(
    worker: Worker,
    { job, input, keptAs }: LaneTask,
    progress: (progress: StageProgress) => void,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<Message>) => {
        if (data.kind === "progress") progress(data.progress);
        else if (data.kind === "log") this.#log(data.line);
        else if (data.kind === "done") resolve(data.result);
        else if (data.kind === "stopped") reject(new Interrupted(data.status));
        else reject(new Error(data.message));
      };
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
      const kept = keptAs === undefined ? {} : { keptAs };
      const order: Order = { kind: "job", job, input, ...kept };
      worker.postMessage(order);
    });
  }

  /** Ends the threads. */
  [Symbol.dispose](): void {
    for (const worker of this.#workers) worker.terminate();
  }
}
