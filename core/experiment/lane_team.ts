import { digestJson } from "./artifact_files.ts";
import type { ExperimentContext } from "./experiment.ts";
import { Lanes, type LaneTask, type Making } from "./lanes.ts";

/** How cases are shown. */
export interface CaseOptions<Input> {
  /** Label of the progress line; the name of the stage if absent. */
  readonly title?: string;
  /** Name of a case; made of its numbers and texts if absent. */
  readonly label?: (input: Input) => string;
}

/** Numbers, texts and booleans in a value, in order. */
function scalars(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [String(value)];
  return Object.values(value).flatMap(scalars);
}

/** The lanes of a run, started when they are first needed. */
export class LaneTeam implements Disposable {
  /** Number of lanes. */
  readonly count: number;
  readonly #context: Omit<ExperimentContext<unknown>, "lanes">;
  readonly #start: () => Lanes<unknown>;
  #lanes: Lanes<unknown> | undefined;

  /**
   * Starts nothing.
   *
   * @param module of the experiment
   * @param count of lanes
   * @param context of the run
   * @param making who makes artifacts, and where
   */
  constructor(
    module: URL,
    count: number,
    context: Omit<ExperimentContext<unknown>, "lanes">,
    making: Making,
  ) {
    this.count = count;
    this.#context = context;
    this.#start = () => new Lanes(module, count, context, making);
  }

  /**
   * Does stages on all lanes at once, in the order given as lanes become free;
   * nothing of it is kept.
   *
   * @param work stages, each with plain JSON
   * @param title of the progress line
   * @returns the results, in the order of the work
   */
  async all(
    work: readonly { readonly stage: string; readonly input: unknown }[],
    title: string,
  ): Promise<unknown[]> {
    return await this.#do(
      work.map(({ stage, input }) => ({ job: stage, input, label: title })),
      title,
    );
  }

  #do(tasks: readonly LaneTask[], title: string): Promise<unknown[]> {
    this.#lanes ??= this.#start();
    return this.#lanes.all(tasks, this.#context.progress(title));
  }

  /**
   * Does a stage for every case and keeps the results in the run folder: what
   * is there is not done again.
   *
   * @param stage its name
   * @param cases plain JSON; equal ones have one result
   * @param options how they are shown
   * @returns the results, in the order of the cases
   * @throws {Interrupted} if it was asked to stop
   */
  async each<Input>(
    stage: string,
    cases: readonly Input[],
    { title = stage, label = (input) => scalars(input).join(" ") }: CaseOptions<
      Input
    > = {},
  ): Promise<unknown[]> {
    const { run } = this.#context;
    const names = cases
      .map((one) => `${stage}-${digestJson(one, stage).slice(0, 12)}`);
    const missing: number[] = [];
    for (const [i, name] of names.entries()) {
      if (names.indexOf(name) === i && !await run.has(name)) missing.push(i);
    }
    if (missing.length > 0) {
      const tasks = missing.map((i) => {
        const [input, keptAs] = [cases[i]!, names[i]!];
        return { job: stage, input, label: label(input), keptAs };
      });
      await this.#do(tasks, title);
    }
    const results: unknown[] = [];
    for (const [i, name] of names.entries()) {
      const missed = () => {
        throw new Error(`Cannot read stage "${name}": it is not finished`);
      };
      results.push(
        await run.stage(name, missed, `${stage} ${label(cases[i]!)}`),
      );
    }
    return results;
  }

  /** Ends the lanes. */
  [Symbol.dispose](): void {
    this.#lanes?.[Symbol.dispose]();
  }
}
