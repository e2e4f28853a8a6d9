import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { readFindings } from "../../core/experiment/findings_report.ts";
import type { SweepFolder, SweepPlan } from "../../core/sweep/folder.ts";
import { writeSweepReport } from "../../core/sweep/report.ts";
import { rowStates } from "../../core/sweep/states.ts";
import { runRow } from "../../core/sweep/task.ts";
import { noSlurm, sweepOf, TASK } from "../support/sweep.ts";

const AXES = [
  { name: "seeds", values: ["0", "1"] },
  { name: "recipe", values: ["visible", "paper"] },
];

async function report(folder: SweepFolder, plan: SweepPlan) {
  const states = await rowStates(folder, plan, noSlurm);
  return await writeSweepReport(folder, plan, states, TASK);
}

const text = (folder: SweepFolder, file: string) =>
  Deno.readTextFile(folder.file(file));

Deno.test("writeSweepReport averages over seeds, names missing rows, and is equal for equal rows", async () => {
  const { folder, plan } = await sweepOf(".test/sweep-report", AXES);
  await assertRejects(
    () => report(folder, plan),
    Error,
    "none of its 4 rows is finished",
  );
  const last = plan.rows.at(-1)!;
  for (const row of plan.rows) {
    if (row !== last) assertEquals(await runRow(folder, plan, row, TASK), 0);
  }
  assertEquals(await report(folder, plan), ["3"]);
  const partial = await readFindings(folder.path);
  const missing = "row 3 (seeds=1 recipe=paper): missing";
  assertStringIncludes(partial.lead, `3 of 4 rows are finished`);
  assertStringIncludes(partial.lead, missing);
  assertEquals(partial.warnings, [`Missing is ${missing}, never begun.`]);
  const of = (id: string) => partial.claims.find((claim) => claim.id === id)!;
  const whole = of("recipe-visible-size");
  assertEquals(
    [whole.measured, whole.low, whole.high, whole.n, whole.of, whole.verdict],
    [0.5, 0, 1, 2, "seeds", "does not hold"],
  );
  assert(whole.crossesBound, "one seed is above the bound");
  const short = of("recipe-paper-size");
  assertEquals([short.measured, short.n], [10, 1]);
  assertStringIncludes(short.note!, `not averaged over: ${missing}`);
  // A bound that is a measured number is averaged, too.
  const order = of("recipe-paper-order").bound as {
    above: { value: number; label: string };
  };
  assertEquals([order.above.value, order.above.label], [5, "half"]);
  const csv = await text(folder, "table2-recipe-paper.csv");
  assertStringIncludes(csv, "10");
  assertStringIncludes(csv, "1 of 2 seeds");
  assertStringIncludes(csv, "same");
  assertStringIncludes(await text(folder, "report.html"), missing);
  assertStringIncludes(partial.notes[0]!, "over seeds 0,1 (2 of 2)");

  assertEquals(await runRow(folder, plan, last, TASK), 0);
  assertEquals(await report(folder, plan), []);
  const found = await readFindings(folder.path);
  assertEquals(found.warnings, []);
  assertEquals(found.seeds, [0, 1]);
  assertEquals(found.claims.map(({ n }) => n), [2, 2, 2, 2]);

  const again = await sweepOf(".test/sweep-report-again", AXES);
  await Promise.all(
    again.plan.rows.toReversed().map((row) =>
      runRow(again.folder, again.plan, row, TASK)
    ),
  );
  await report(again.folder, again.plan);
  for (const file of ["report.html", "findings.json", "sweep-rows.csv"]) {
    assertEquals(await text(again.folder, file), await text(folder, file));
  }
});

Deno.test("writeSweepReport keeps the intervals of rows where no seeds are swept", async () => {
  const { folder, plan } = await sweepOf(
    ...[".test/sweep-report-rows", [AXES[1]!], "--seeds=3"] as const,
  );
  for (const row of plan.rows) await runRow(folder, plan, row, TASK);
  assertEquals(await report(folder, plan), []);
  const { claims, notes } = await readFindings(folder.path);
  assertEquals(claims[0]!.id, "recipe-visible-size");
  const { measured, low, high, n, of } = claims[0]!;
  assertEquals([measured, low, high, n, of], [3, 2, 4, 4, "scenes"]);
  assertEquals(notes, []);
});
