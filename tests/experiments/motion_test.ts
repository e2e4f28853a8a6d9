import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { tableSchema } from "../../core/experiment/findings.ts";
import {
  readFindings,
  reportOf,
} from "../../core/experiment/findings_report.ts";
import {
  emptyFolder,
  endAt,
  type ExperimentPlace,
  finish,
  outcomeOf,
  runFolder,
  startExperiment,
} from "../support/experiment_process.ts";
import { SMOKE_CACHE } from "../support/smoke_cache.ts";

const place = {
  task: "exp:motion",
  folder: ".test/motion",
  cache: SMOKE_CACHE,
} as const;

const finetune = {
  task: "exp:finetune",
  folder: ".test/finetune",
  cache: SMOKE_CACHE,
} as const;

/** Opens what a run left; the report must follow from JSON alone. */
async function opened(of: ExperimentPlace) {
  const run = await runFolder(of);
  const at = (file: string) => join(run, file);
  const findings = await readFindings(run);
  const report = await Deno.readTextFile(at("report.html"));
  assertEquals(await reportOf(run), report);
  const table = async (name: string) =>
    tableSchema.parse(
      JSON.parse(await Deno.readTextFile(at(findings.tables[name]!))),
    );
  const models = findings.artifacts
    .filter((path) => path.startsWith("model/"));
  return { at, findings, table, models };
}

Deno.test("motion goes on where it was killed, and ends with all sets and protocols; finetune takes up its models", async () => {
  await emptyFolder(place.folder);
  await emptyFolder(finetune.folder);
  await endAt(startExperiment(place), /measure motion/, "SIGKILL");
  const whole = await finish(startExperiment(place));
  assertEquals(whole.code, 0, whole.stderr);
  const motion = await opened(place);
  assertEquals(Object.keys(motion.findings.tables), [
    "protocols",
    ...["first40", "fast40", "all", "fast", "first30", "consecutive30"]
      .map((set) => `motion-${set}`),
  ]);
  assert(
    motion.findings.claims.every(({ verdict }) => verdict === "not tested"),
  );
  const points = ["direct", "directLast", "raw", "guided", "calibrated", "mlp"];
  const protocols = await motion.table("protocols");
  assertEquals(
    protocols.rows.map(({ name }) => name),
    [...points, "jump", "copy", "real", "camera"],
  );
  const first = await motion.table("motion-first40");
  const value = (name: string, column: string) => {
    const { cells } = first.rows.find((one) => one.name === name)!;
    return (cells[column] as { value: number }).value;
  };
  assertEquals([value("real", "low"), value("copy", "high")], [1, 0]);
  const csv = await Deno.readTextFile(motion.at("windows.csv"));
  // Ten points of four test windows, and of thirty consecutive ones.
  assertEquals(csv.trim().split("\n").length, 1 + 10 * (4 + 30));
  const gif = await Deno.readFile(motion.at("moving.gif"));
  assertEquals(new TextDecoder().decode(gif.subarray(0, 6)), "GIF89a");

  const tuned = await finish(startExperiment(finetune));
  assertEquals(tuned.code, 0, tuned.stderr);
  const other = await opened(finetune);
  assertEquals(
    other.findings.claims.map(({ id, verdict }) => `${id} ${verdict}`),
    ["low", "shift", "direction", "kid"].map((id) => `${id} not tested`),
  );
  // Those of the frontier, and two fine-tuned ones.
  const added = other.models.filter((name) => !motion.models.includes(name));
  assertEquals([motion.models.length, added.length], [3, 2]);
  assertEquals(other.models.length, 5);
  const { tables } = await outcomeOf(finetune);
  assertEquals(tables["gains.csv"]!.trim().split("\n").length, 1 + 10);
  assertEquals(
    (await other.table("frontier")).rows.map(({ name }) => name).slice(0, 3),
    ["direct", "raw", "calibrated"],
  );
});

Deno.test("finetune refuses a weight of none", async () => {
  const { code, stderr } = await finish(
    startExperiment(finetune, "--motion-weight=0"),
  );
  assertEquals(code, 2);
  assertMatch(stderr, /--motion-weight/);
});
