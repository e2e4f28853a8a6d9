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
const folder = ".test/failures";

/** Runs the smoke preset as the task does, in its sandbox. */
async function run(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    cwd: root,
    args: [
      ...taskFlags("exp:failures", {
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

Deno.test("failures runs in its sandbox, measures weights on the way of the trainings, and leaves findings that the report is built from", async () => {
  await Deno.remove(join(root, folder), { recursive: true }).catch(() => {});
  for (const path of [folder, SMOKE_CACHE]) {
    await Deno.mkdir(join(root, path), { recursive: true });
  }
  const whole = await run();
  assertEquals(whole.code, 0, whole.stderr);
  assertMatch(whole.stdout, /The report is .*report\.html/);
  assertMatch((await run()).stdout, /Finished before/);

  const runs = join(root, folder, "runs/failures");
  const [{ name } = { name: "" }] = await Array.fromAsync(Deno.readDir(runs));
  const at = (...parts: string[]) => join(runs, name, ...parts);
  const findings = await readFindings(at());
  assertEquals(
    findings.claims.map(({ id, verdict }) => `${id} ${verdict}`),
    [
      "blur",
      "grain",
      "dispersion",
      "repaired",
      "tint",
      "diversity",
      "best",
      "best-direct",
      "closer-latents",
      "seen-latents",
      "copied-latents",
      "control-latents",
      "closer-features",
      "seen-features",
      "copied-features",
      "control-features",
      "fit-diffusion",
      "falling-diffusion",
      "fit-direct",
      "falling-direct",
      "seeds",
    ].map((id) => `${id} not tested`),
  );
  const { fit = "", memory = "", seeds = "" } = findings.tables;
  const table = async (file: string) =>
    tableSchema.parse(JSON.parse(await Deno.readTextFile(at(file))));
  // Four steps: the eighth and the quarter are after the first, a row.
  assertEquals(
    (await table(fit)).rows.map((row) => row.name).slice(0, 4),
    ["diffusion-1", "diffusion-2", "diffusion-4", "direct-1"],
  );
  assertEquals((await table(memory)).rows.map((row) => row.name), [
    "calibrated",
    "raw",
    "direct",
    "real",
    "control",
  ]);
  assertMatch((await table(seeds)).title, /n = 1 seed$/);
  assert("neighbours" in findings.media);

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

Deno.test("failures refuses sampling steps that do not divide, and the best of one", async () => {
  const cases = [
    ["--fit-steps=7", /--fit-steps .*divisor of 1000/],
    ["--best-of=1", /--best-of /],
  ] as const;
  await Deno.mkdir(join(root, folder), { recursive: true });
  for (const [flag, message] of cases) {
    const { code, stderr } = await run(flag);
    assertEquals(code, 2, stderr);
    assertMatch(stderr, message);
  }
});
