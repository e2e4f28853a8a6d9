import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { tableSchema } from "../../core/experiment/findings.ts";
import {
  readFindings,
  reportOf,
} from "../../core/experiment/findings_report.ts";
import { SMOKE_CACHE } from "../support/smoke_cache.ts";
import { taskFlags } from "../support/task_flags.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));
const folder = ".test/controllability";

/** Runs the smoke preset as the task does, in its sandbox. */
async function run(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    cwd: root,
    args: [
      ...taskFlags("exp:controllability", {
        writeOnly: `${folder},${SMOKE_CACHE}`,
      }),
      ...["--preset", "smoke"],
      ...["--out", `${folder}/runs`, "--cache", SMOKE_CACHE],
      ...args,
    ],
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

Deno.test("controllability runs in its sandbox, says how good the probe is, and leaves findings that the report is built from", async () => {
  await Deno.remove(join(root, folder), { recursive: true }).catch(() => {});
  for (const path of [folder, SMOKE_CACHE]) {
    await Deno.mkdir(join(root, path), { recursive: true });
  }
  const whole = await run();
  assertEquals(whole.code, 0, whole.stderr);
  assertMatch(whole.stdout, /The report is .*report\.html/);
  assertMatch(whole.stderr, /The probe was trained on 234 pairs/);
  assertMatch((await run()).stdout, /Finished before/);

  const runs = join(root, folder, "runs/controllability");
  const [{ name } = { name: "" }] = await Array.fromAsync(Deno.readDir(runs));
  const at = (...parts: string[]) => join(runs, name, ...parts);
  const findings = await readFindings(at());
  assertEquals(
    findings.claims.map(({ id, verdict }) => `${id} ${verdict}`),
    [
      "steers",
      "steers-probe",
      "strength",
      "sign",
      "direct",
      "direct-probe",
      "guidance",
      "guidance-probe",
    ].map((id) => `${id} not tested`),
  );
  assert(findings.artifacts.some((path) => path.startsWith("probe/")));
  const { sweeps = "", actions = "" } = findings.tables;
  const table = async (file: string) =>
    tableSchema.parse(JSON.parse(await Deno.readTextFile(at(file))));
  assertEquals((await table(sweeps)).rows.map((row) => row.name), [
    "direct",
    "diffusion-1",
    "diffusion-2",
    "direct-raw",
    "diffusion-1-raw",
  ]);
  assertEquals((await table(actions)).columns.length, 4);
  const gif = await Deno.readFile(at("sweep.gif"));
  assertEquals(new TextDecoder().decode(gif.subarray(0, 6)), "GIF89a");

  // What the report needs, elsewhere: JSON and what it names.
  const copy = join(root, folder, "copy");
  await Deno.mkdir(copy);
  const files = [
    "findings.json",
    ...Object.values(findings.tables),
    ...Object.values(findings.figures).map(({ svg }) => svg),
    ...Object.values(findings.media).map(({ file }) => file),
  ];
  for (const file of files) await Deno.copyFile(at(file), join(copy, file));
  assertEquals(
    await reportOf(copy),
    await Deno.readTextFile(at("report.html")),
  );
});

Deno.test("controllability refuses a sweep that does not rise, and guidance without none", async () => {
  const cases = [
    ["--values=0.1,0,0.2", /--values .*rising values/],
    ["--guidances=2,3", /--guidances .*it needs 1, for none/],
    ["--sweep-steps=7", /--sweep-steps .*divisor of 1000/],
  ] as const;
  await Deno.mkdir(join(root, folder), { recursive: true });
  for (const [flag, message] of cases) {
    const { code, stderr } = await run(flag);
    assertEquals(code, 2, stderr);
    assertMatch(stderr, message);
  }
});
