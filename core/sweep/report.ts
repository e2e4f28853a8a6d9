/**
 * The report of a sweep: reads what its rows found, runs the ordinary command
 * over all seeds, which finds everything made, and writes the page.
 *
 * @module
 */

import { join } from "@std/path";
import { type FindingTable, tableSchema } from "../experiment/findings.ts";
import { readFindings, writeFindings } from "../experiment/findings_report.ts";
import { Lock } from "../experiment/lock.ts";
import { readJson } from "../experiment/run_directory.ts";
import type { SweepFolder, SweepPlan } from "./folder.ts";
import { type OrdinaryOptions, runOrdinary } from "./ordinary.ts";
import type { RowState } from "./states.ts";
import { groupRows, type RowResult, SEEDS, summarize } from "./summary.ts";

async function readTables(
  run: string,
  files: Readonly<Record<string, string>>,
): Promise<Record<string, FindingTable>> {
  const tables: Record<string, FindingTable> = {};
  for (const [name, file] of Object.entries(files)) {
    const { schema: _, ...table } = tableSchema.parse(
      await readJson(join(run, file)),
    );
    tables[name] = table;
  }
  return tables;
}

/** What a row found. */
async function resultOf(
  folder: SweepFolder,
  plan: SweepPlan,
  { row, state, reason }: RowState,
): Promise<RowResult> {
  const run = state === "finished"
    ? await folder.finishedRun(row, plan.task)
    : undefined;
  if (run === undefined) {
    const words = state === "finished" ? "its run was removed" : state;
    return { row, state: words, reason };
  }
  const found = await readFindings(run);
  return {
    row,
    state,
    reason,
    found,
    tables: await readTables(run, found.tables),
  };
}

/** Runs the ordinary command over the finished seeds of every group. */
async function joinSeeds(
  folder: SweepFolder,
  plan: SweepPlan,
  rows: readonly RowResult[],
  options: OrdinaryOptions,
): Promise<{ notes: string[]; warnings: string[] }> {
  const [notes, warnings]: [string[], string[]] = [[], []];
  for (const { name, rows: own } of groupRows(rows)) {
    const finished = own.filter(({ found }) => found !== undefined);
    if (finished.length < 2) continue;
    const { [SEEDS]: _, ...others } = finished[0]!.row.values;
    const seeds = finished.map(({ row }) => row.values[SEEDS]).join();
    const words = Object.entries({ ...others, [SEEDS]: seeds })
      .map(([flag, value]) => `--${flag}=${value}`);
    const out = folder.file("seeds", name.replace(/[^\w.=-]+/g, "_"));
    const { code, last } = await runOrdinary(plan.task, [
      ...plan.shared,
      ...words,
      ...["--out", out, "--cache", plan.cache],
    ], options);
    options.interrupt.check();
    const command = `${plan.task} ${words.join(" ")}`;
    const group = name === "all" ? "" : `${name}: `;
    if (code === 0) {
      notes.push(
        `${group}the ordinary command over seeds ${seeds} (${finished.length} of ${own.length}) wrote its own report below ${
          out.slice(folder.path.length + 1)
        }.`,
      );
    } else {
      warnings.push(
        `${group}the ordinary command over all seeds, ${command}, ended with ${code}: ${last}`,
      );
    }
  }
  return { notes, warnings };
}

/**
 * Writes `report.html`, `findings.json` and the tables of a sweep into its
 * folder. Equal results of rows give equal bytes, wherever and in whatever
 * order they were computed.
 *
 * @param folder of the sweep
 * @param plan the sweep
 * @param states of all rows
 * @param options how to run the ordinary command over all seeds
 * @returns names of rows that are missing in it
 * @throws {Error} if no row is finished
 */
export async function writeSweepReport(
  folder: SweepFolder,
  plan: SweepPlan,
  states: readonly RowState[],
  options: OrdinaryOptions,
): Promise<string[]> {
  using _ = await Lock.take(folder.file("report.lock"), {
    interrupt: options.interrupt,
  });
  const rows: RowResult[] = [];
  for (const state of states) rows.push(await resultOf(folder, plan, state));
  const found = rows.flatMap((one) => one.found ?? []);
  const [first] = found;
  if (first === undefined) {
    throw new Error(
      `Cannot write the report of ${plan.name}: none of its ${rows.length} rows is finished; see ./run sweep status ${plan.name}`,
    );
  }
  const joined = plan.axes.some(({ name }) => name === SEEDS)
    ? await joinSeeds(folder, plan, rows, options)
    : { notes: [], warnings: [] };
  const finding = summarize(plan, rows);
  const sorted = (lists: readonly string[][]) =>
    [...new Set(lists.flat())].sort();
  await writeFindings(folder.path, {
    experiment: first.experiment,
    source: first.source,
    title: `${first.title}: a sweep`,
    preset: plan.preset,
    isTested: found.every(({ isTested }) => isTested),
    seeds: [...new Set(found.flatMap(({ seeds }) => seeds))].sort((a, b) =>
      a - b
    ),
    params: Object.fromEntries(
      plan.axes.map(({ name, values }) => [name, [...values]]),
    ),
    dataset: first.dataset,
    artifacts: sorted(found.map(({ artifacts }) => [...artifacts])),
    adapters: sorted(found.map(({ adapters }) => [...adapters])),
    command: plan.command,
    ...finding,
    notes: joined.notes,
    warnings: [...finding.warnings ?? [], ...joined.warnings],
  });
  return rows.filter((one) => one.found === undefined)
    .map(({ row }) => String(row.row));
}
