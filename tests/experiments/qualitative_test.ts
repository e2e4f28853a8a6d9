import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { readFindings } from "../../core/experiment/findings_report.ts";
import {
  emptyFolder,
  finish,
  runFolder,
  startExperiment,
} from "../support/experiment_process.ts";
import { SMOKE_CACHE } from "../support/smoke_cache.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));
const folder = ".test/qualitative";

const placeOf = (out: string) => ({
  task: "exp:qualitative" as const,
  folder: `${folder}/${out}`,
  cache: SMOKE_CACHE,
});

const run = (out: string, ...args: string[]) =>
  finish(startExperiment(placeOf(out), ...args));

const runIn = (out: string) => runFolder(placeOf(out));

Deno.test("qualitative shows named scenes in a sheet, a film and a page that the report links to", async () => {
  await emptyFolder(folder);
  const { code, stderr } = await run("named", "--scenes=drive-9002,drive-9000");
  assertEquals(code, 0, stderr);
  const at = await runIn("named");
  const { media, data } = await readFindings(at);
  const { rows, columns, gaps } = media.frames!.labels!;
  assertEquals(columns, ["t", "t+1", "t+2", "t+3", "t+4"]);
  assertEquals(rows.slice(0, 9), [
    "drive-9002: action",
    "Camera",
    "Real latents decoded (ceiling)",
    "Direct regression",
    "Diffusion, calibrated",
    "Diffusion, guided by 2",
    "MLP baseline",
    "Jump model",
    "Copy of the present",
  ]);
  assertEquals(rows[9], "drive-9000: action");
  // Only the camera has the present.
  assertEquals(gaps!.length, 2 * 8);
  assertEquals(data.flip!.file, "flip.html");
  const report = await Deno.readTextFile(join(at, "report.html"));
  assert(report.includes('<a href="flip.html">'));
  const page = await Deno.readTextFile(join(at, "flip.html"));
  assert(page.includes("drive-9002") && page.includes("<noscript>"));
});

Deno.test("qualitative renders a driven session beyond the horizon", async () => {
  const log = {
    scene: "drive-9001",
    start: 3,
    actions: Array.from({ length: 6 }, (_, i) => [0.1 * i - 0.2, 0.05]),
  };
  const path = `${folder}/drive.json`;
  await Deno.writeTextFile(join(root, path), JSON.stringify(log));
  const { code, stderr } = await run("driven", `--actions=${path}`);
  assertEquals(code, 0, stderr);
  const { media } = await readFindings(await runIn("driven"));
  const { rows, columns } = media.frames!.labels!;
  assertEquals(columns.length, 7);
  assertEquals(rows.slice(1, 3), ["Camera, as recorded", "Driven anew"]);
});

Deno.test("qualitative names scenes that exist where one does not, and what a log lacks", async () => {
  const wrong = await run("wrong", "--scenes=drive-1");
  assertEquals(wrong.code, 2, wrong.stderr);
  assertMatch(
    wrong.stderr,
    /Cannot show scene "drive-1": it is none of 4 test scenes with windows, which are drive-9000, drive-9001, drive-9002, \.\.\.; did you mean/,
  );
  const path = `${folder}/wrong.json`;
  await Deno.writeTextFile(join(root, path), '{"scene": "drive-9000"}');
  const lacking = await run("wrong", `--actions=${path}`);
  assertEquals(lacking.code, 1, lacking.stderr);
  assertMatch(lacking.stderr, /Cannot read ".*wrong\.json": start: /);
});
