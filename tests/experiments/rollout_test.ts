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
const folder = ".test/rollout";

/** Runs the smoke preset as the task does, in its sandbox. */
async function run(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    cwd: root,
    args: [
      ...taskFlags("exp:rollout", {
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

Deno.test("rollout runs in its sandbox to three chunks, and leaves findings that the report is built from", async () => {
  await Deno.remove(join(root, folder), { recursive: true }).catch(() => {});
  for (const path of [folder, SMOKE_CACHE]) {
    await Deno.mkdir(join(root, path), { recursive: true });
  }
  const whole = await run();
  assertEquals(whole.code, 0, whole.stderr);
  assertMatch(whole.stdout, /The report is .*report\.html/);
  assertMatch((await run()).stdout, /Finished before/);

  const runs = join(root, folder, "runs/rollout");
  const [{ name } = { name: "" }] = await Array.fromAsync(Deno.readDir(runs));
  const at = (...parts: string[]) => join(runs, name, ...parts);
  const findings = await readFindings(at());
  assertEquals(
    findings.claims.map(({ id, verdict }) => `${id} ${verdict}`),
    [
      "drift-direct",
      "drift-raw",
      "drift-calibrated",
      "cossim-direct",
      "cossim-raw",
      "reproject-direct",
      "reproject-raw",
      "augmented",
      "manifold",
      "end",
      "end-cossim",
      "recovery-direct",
      "recovery-calibrated",
      "recovery-augmentedCalibrated",
    ].map((id) => `${id} not tested`),
  );
  const { cosSim = "", chunk1 = "", recovery = "" } = findings.tables;
  const table = async (file: string) =>
    tableSchema.parse(JSON.parse(await Deno.readTextFile(at(file))));
  const steps = (await table(cosSim)).columns.map(({ name }) => name);
  assertEquals(steps, ["t4", "t8", "t12"]);
  assertEquals((await table(chunk1)).rows.length, 9);
  assertEquals((await table(recovery)).rows.length, 3);
  assert(Object.keys(findings.tables).includes("chunk3"));
  const gif = await Deno.readFile(at("rollouts.gif"));
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

Deno.test("rollout refuses sampling steps that do not divide, and a single chunk", async () => {
  const cases = [
    ["--rollout-steps=7", /--rollout-steps .*divisor of 1000/],
    ["--chunks=1", /--chunks /],
  ] as const;
  await Deno.mkdir(join(root, folder), { recursive: true });
  for (const [flag, message] of cases) {
    const { code, stderr } = await run(flag);
    assertEquals(code, 2, stderr);
    assertMatch(stderr, message);
  }
});
