/**
 * A local sweep of stand-ins as processes, for tests that kill it:
 *
 *   sweep_process.ts FOLDER [ROW]
 *
 * @module
 */

import { Interrupt } from "../../core/experiment/interrupt.ts";
import { SweepFolder } from "../../core/sweep/folder.ts";
import { runLocal } from "../../core/sweep/local.ts";
import { writeSweepReport } from "../../core/sweep/report.ts";
import { rowStates } from "../../core/sweep/states.ts";
import { runRow } from "../../core/sweep/task.ts";
import { noSlurm, TASK } from "./sweep.ts";

const [path = "", row] = Deno.args;
const folder = new SweepFolder(path, "test");
const plan = await folder.read();
using interrupt = await Interrupt.open();
const task = { ...TASK, interrupt };
if (row !== undefined) {
  Deno.exit(await runRow(folder, plan, plan.rows[Number(row)]!, task));
}
const states = await rowStates(folder, plan, noSlurm);
await runLocal(
  folder,
  states.filter(({ state }) => state !== "finished").map(({ row }) => row),
  {
    count: 2,
    interrupt,
    say: (line) => console.log(line),
    start: ({ row }) =>
      new Deno.Command("deno", {
        args: [
          ...["run", "--no-prompt", "--allow-read=.", "--allow-write=.test"],
          ...["--allow-run=deno", "tests/support/sweep_process.ts"],
          ...[path, String(row)],
        ],
        ...{ stdin: "null", stdout: "null", stderr: "null" },
      }).spawn(),
  },
);
await writeSweepReport(
  folder,
  plan,
  await rowStates(folder, plan, noSlurm),
  task,
);
