import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import {
  readFindings,
  reportOf,
} from "../../core/experiment/findings_report.ts";
import { writeNpz } from "../../core/formats/npy.ts";
import { key } from "../../core/tensor/philox.ts";
import { taskFlags } from "../support/task_flags.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));
const folder = ".test/encoders";
const PUBLISHED = "fixtures/published/per_scene_rmse";

/** Starts the experiment as the task does, in its sandbox. */
function start(out: string, ...args: string[]): Deno.ChildProcess {
  return new Deno.Command("deno", {
    cwd: root,
    args: [
      ...taskFlags("exp:encoders", { writeOnly: folder }),
      ...["--out", `${folder}/${out}`],
      ...["--cache", `${folder}/${out.replace("killed", "whole")}/data`],
      ...args,
    ],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function finish(process: Deno.ChildProcess) {
  const { code, stdout, stderr } = await process.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Folder of the only run. */
async function runOf(out: string): Promise<string> {
  const runs = join(root, folder, out, "encoders");
  const [run] = await Array.fromAsync(Deno.readDir(runs));
  return join(runs, run!.name);
}

async function fresh(out: string): Promise<void> {
  const path = join(root, folder, out);
  await Deno.remove(path, { recursive: true }).catch(() => {});
  await Deno.mkdir(path, { recursive: true });
}

Deno.test("encoders on the published errors come to the paper's verdicts, and to those that it does not state", async () => {
  await fresh("stored");
  const { code, stderr } = await finish(
    start("stored", "--per-scene", PUBLISHED),
  );
  assertEquals(code, 0, stderr);
  const run = await runOf("stored");
  const { claims, notes } = await readFindings(run);
  assertEquals(claims.map(({ id, verdict }) => [id, verdict]), [
    ["temporal", "holds"],
    ["significant", "holds"],
    ["effect", "holds"],
    ["ranking", "holds"],
    ["next", "does not hold"],
  ]);
  const [temporal, significant, effect, ranking, next] = claims;
  assertEquals(temporal!.measured!.toFixed(3), "0.595");
  assertEquals(significant!.measured!.toExponential(1), "6.8e-13");
  assertEquals(effect!.measured!.toFixed(4), "0.6811");
  assertEquals(ranking!.measured!.toFixed(4), "0.0015");
  assertEquals(next!.measured!.toFixed(3), "0.113");
  assertMatch(next!.note!, /V-JEPA 2, 1 frame, DINOv2/);
  assertMatch(notes.join(" "), /150 scenes/);
  const table = JSON.parse(
    await Deno.readTextFile(join(run, "table1.json")),
  );
  assertMatch(table.note, /CLIP ViT-B\/32 and ViT-S\/16 \(p 1/);
  const csv = await Deno.readTextFile(join(run, "steering.csv"));
  assertEquals(csv.trim().split("\n").length, 1 + 15);
  for (const name of ["scenario", "environment", "acceleration", "errors"]) {
    assert((await Deno.stat(join(run, `${name}.csv`))).size > 100, name);
  }
  assertEquals(
    await reportOf(run),
    await Deno.readTextFile(join(run, "report.html")),
  );
});

Deno.test("encoders probe the embedded world, and go on after a kill to equal errors", async () => {
  for (const out of ["whole", "killed"]) await fresh(out);
  const whole = await finish(start("whole", "--preset", "smoke"));
  assertEquals(whole.code, 0, whole.stderr);
  const run = await runOf("whole");
  const { claims, notes } = await readFindings(run);
  assertEquals(new Set(claims.map(({ verdict }) => verdict)).size, 1);
  assertMatch(notes.join(" "), /small stand-ins of this project/);
  assertMatch(notes.join(" "), /all test scenes are in "other"/);
  const errors = await Deno.readTextFile(join(run, "errors.csv"));
  // Six encoders and two controls by two seeds, and the baseline, 3 scenes.
  assertEquals(errors.trim().split("\n").length, 1 + (8 * 2 + 1) * 3);

  // In the same world, embedded again.
  const embeddings = join(root, folder, "whole/data/artifacts/embeddings");
  await Deno.remove(embeddings, { recursive: true });
  const killed = start("killed", "--preset", "smoke");
  let seen = "";
  let isKilled = false;
  const decoder = new TextDecoder();
  for await (const chunk of killed.stderr) {
    seen += decoder.decode(chunk, { stream: true });
    if (isKilled || !/embed keyframes {2}[1-9]/.test(seen)) continue;
    isKilled = true;
    killed.kill("SIGKILL");
  }
  await killed.status;
  await killed.stdout.cancel();
  assert(isKilled, seen);
  const resumed = await finish(start("killed", "--preset", "smoke"));
  assertEquals(resumed.code, 0, resumed.stderr);
  assertEquals(
    await Deno.readTextFile(join(await runOf("killed"), "errors.csv")),
    errors,
  );
});

Deno.test("encoders read embeddings in the published layout", async () => {
  await fresh("rows");
  const given = join(root, folder, "rows/given");
  await Deno.mkdir(given);
  const scenes = ["scene-0001", "scene-0003", "scene-0012"];
  const parts = ["train", "test", "test"];
  const count = 30;
  for (const [e, name] of ["vit_s16", "vjepa2_rep64"].entries()) {
    const stream = key("embeddings", e);
    await writeNpz(join(given, `${name}.npz`), {
      scene_names: {
        shape: [count],
        data: Array.from({ length: count }, (_, i) => scenes[i % 3]!),
      },
      splits: {
        shape: [count],
        data: Array.from({ length: count }, (_, i) => parts[i % 3]!),
      },
      steer_norms: {
        shape: [count],
        data: Float32Array.from({ length: count }, (_, i) => i / count),
      },
      accel_norms: { shape: [count], data: new Float32Array(count) },
      embeddings: {
        shape: [count, 8],
        data: Float32Array.from(
          { length: count * 8 },
          (_, i) => stream.normal(i),
        ),
      },
    });
  }
  const { code, stderr } = await finish(
    start("rows", "--embeddings", `${folder}/rows/given`, "--preset", "smoke"),
  );
  assertEquals(code, 0, stderr);
  const csv = await Deno.readTextFile(join(await runOf("rows"), "errors.csv"));
  assertEquals(csv.trim().split("\n").length, 1 + (2 * 2 + 1) * 2);
  assertMatch(csv, /vjepa2_rep64,1,scene-0012/);
});

Deno.test("encoders refuse folders that exclude each other, an empty one, and the paper preset without its data", async () => {
  await fresh("refused");
  const both = ["--per-scene", PUBLISHED, "--embeddings", PUBLISHED];
  const twice = await finish(start("refused", ...both));
  assertEquals(twice.code, 2);
  assertMatch(twice.stderr, /Cannot use --per-scene with --embeddings/);
  const empty = await finish(start("refused", "--embeddings", PUBLISHED));
  assertEquals(empty.code, 1);
  assertMatch(empty.stderr, /it has no ENCODER\.npz/);
  const paper = await finish(start("refused", "--preset", "paper"));
  assertEquals(paper.code, 1);
  assertMatch(
    paper.stderr,
    /it needs --data DIR .*--weights DIR with vjepa2_vitl\.safetensors/,
  );
});
