import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { tableSchema } from "../../core/experiment/findings.ts";
import {
  readFindings,
  reportOf,
} from "../../core/experiment/findings_report.ts";
import { SMOKE_CACHE } from "../support/smoke_cache.ts";
import { taskFlags, type TaskName } from "../support/task_flags.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));
const folder = ".test/motion";

/** Runs a smoke preset as the task does, in its sandbox. */
async function run(task: TaskName, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    cwd: root,
    args: [
      ...taskFlags(task, { writeOnly: `${folder},${SMOKE_CACHE}` }),
      ...["--preset", "smoke"],
      ...["--out", `${folder}/runs`, "--cache", SMOKE_CACHE],
      ...args,
    ],
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Opens what a run left; the report must follow from JSON alone. */
async function opened(name: string) {
  const runs = join(root, folder, "runs", name);
  const [entry] = await Array.fromAsync(Deno.readDir(runs));
  const at = (file: string) => join(runs, entry!.name, file);
  const findings = await readFindings(at(""));
  assertEquals(
    await reportOf(at("")),
    await Deno.readTextFile(at("report.html")),
  );
  const table = async (name: string) =>
    tableSchema.parse(
      JSON.parse(await Deno.readTextFile(at(findings.tables[name]!))),
    );
  return { at, findings, table };
}

Deno.test("motion runs in its sandbox, with all sets and protocols; finetune takes up its models", async () => {
  await Deno.remove(join(root, folder), { recursive: true }).catch(() => {});
  for (const path of [folder, SMOKE_CACHE]) {
    await Deno.mkdir(join(root, path), { recursive: true });
  }
  const motion = await run("exp:motion");
  assertEquals(motion.code, 0, motion.stderr);
  assertMatch((await run("exp:motion")).stdout, /Finished before/);
  const one = await opened("motion");
  assertEquals(Object.keys(one.findings.tables), [
    "protocols",
    ...["first40", "fast40", "all", "fast", "first30", "consecutive30"]
      .map((set) => `motion-${set}`),
  ]);
  const points = ["direct", "directLast", "raw", "guided", "calibrated", "mlp"];
  const known = ["copy", "real", "camera"];
  const protocols = await one.table("protocols");
  assertEquals(
    protocols.rows.map(({ name }) => name),
    [...points, ...known, "jump"],
  );
  const first = await one.table("motion-first40");
  const row = (name: string) => first.rows.find((one) => one.name === name)!;
  const value = (name: string, column: string) =>
    (row(name).cells[column] as { value: number }).value;
  assertEquals(value("real", "low"), 1);
  assertEquals(value("copy", "high"), 0);
  const csv = await Deno.readTextFile(one.at("windows.csv"));
  // Four test windows, and thirty consecutive ones.
  assertEquals(csv.trim().split("\n").length, 1 + 9 * (4 + 30));
  const gif = await Deno.readFile(one.at("moving.gif"));
  assertEquals(new TextDecoder().decode(gif.subarray(0, 6)), "GIF89a");

  const finetune = await run("exp:finetune");
  assertEquals(finetune.code, 0, finetune.stderr);
  const other = await opened("finetune");
  assertEquals(
    other.findings.claims.map(({ id, verdict }) => `${id} ${verdict}`),
    ["low", "shift", "direction", "kid"].map((id) => `${id} not tested`),
  );
  const models = (of: typeof one) =>
    of.findings.artifacts.filter((path) => path.startsWith("model/"));
  const mlp = 1;
  assertEquals(models(one).length, 3);
  assertEquals(models(other).length, models(one).length - mlp + 2);
  assertEquals((await other.table("gains")).columns.length, 3);
  assertEquals(
    (await other.table("frontier")).rows.map(({ name }) => name).slice(0, 3),
    ["direct", "raw", "calibrated"],
  );
  assert(other.findings.notes.some((note) => note.includes("weighted by 1")));
});

Deno.test("finetune refuses a weight of none", async () => {
  await Deno.mkdir(join(root, folder), { recursive: true });
  const { code, stderr } = await run("exp:finetune", "--motion-weight=0");
  assertEquals(code, 2);
  assertMatch(stderr, /--motion-weight/);
});
