import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { readSafetensors, toFloat32 } from "../../core/formats/safetensors.ts";
import { readWeights } from "../../core/formats/weights.ts";
import { taskFlags } from "../support/task_flags.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));

// Written by PyTorch 1.13 in the authors' layout, by fixtures/torch/published.py.
const FILES = {
  direct: "fixtures/torch/published/smoke_direct.pt",
  diffusion: "fixtures/torch/published/smoke_diffusion.pt",
};

const FOLDER = ".test/given";

async function frontier(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    cwd: root,
    args: [
      ...taskFlags("exp:frontier", { writeOnly: FOLDER }),
      ...["--preset", "smoke"],
      ...["--out", `${FOLDER}/runs`, "--cache", `${FOLDER}/data`],
      ...args,
    ],
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

async function recordsOf(kind: string) {
  const folder = join(root, FOLDER, "data/artifacts", kind);
  const records = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (!isDirectory) continue;
    const text = await Deno.readTextFile(join(folder, name, "artifact.json"));
    records.push({ path: join(folder, name), ...JSON.parse(text) });
  }
  return records;
}

Deno.test("frontier scores models of files in the authors' layout, normalized as they were trained, and says so", async () => {
  await Deno.remove(join(root, FOLDER), { recursive: true }).catch(() => {});
  await Deno.mkdir(join(root, FOLDER), { recursive: true });
  const given = ["--direct", FILES.direct, "--diffusion", FILES.diffusion];

  const refused = await frontier("--horizon", "3", "--dry-run", ...given);
  assertEquals(refused.code, 1);
  assertMatch(
    refused.stderr,
    /^Cannot use "\S+" for --direct: .*: horizon is 4, needed 3$/m,
  );

  const run = await frontier(...given);
  assertEquals(run.code, 0, run.stderr);
  assertMatch(run.stdout, /The report is .*report\.html/);
  assert(!/train (direct|diffusion) {2}/.test(run.stderr), run.stderr);
  const runs = join(root, FOLDER, "runs/frontier");
  const [folder] = await Array.fromAsync(Deno.readDir(runs));
  const file = (name: string) =>
    Deno.readTextFile(join(runs, folder?.name ?? "", name));
  for (const table of ["table2.csv", "unseen.csv"]) {
    const text = await file(table);
    assert(text.split("\n").length > 9, text);
    assert(!/NaN|Infinity/.test(text), text);
  }
  const findings = JSON.parse(await file("findings.json"));
  assertMatch(findings.lead, /^Given models, not trained here: KID/);
  const notes = findings.notes.join("\n");
  assertMatch(
    notes,
    /The direct model was given, not trained here: \S+smoke_direct.pt \(SHA-256 \w{12}\.\.\.\), averaged weights, tokens normalized by its own mean and deviation\./,
  );
  assertMatch(notes, /The diffusion model was given/);
  assert(!/saw [\d,]+ windows each/.test(notes), notes);
  assertMatch(await file("report.html"), /Given models, not trained here/);

  // The baseline alone was trained; the others are decided by their bytes.
  const models = await recordsOf("model");
  assertEquals(models.length, 3);
  for (const path of Object.values(FILES)) {
    const bytes = await Deno.readFile(join(root, path));
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const artifact = models.find(({ spec }) => spec.given === hash.toHex());
    assert(artifact !== undefined, path);
    assertEquals(artifact.from, []);
    using own = await readSafetensors(
      join(artifact.path, "tokens.safetensors"),
    );
    using theirs = await readWeights(join(root, path), { root: "" });
    for (const [name, key] of [["mean", "z_mean"], ["std", "z_std"]] as const) {
      assertEquals(
        toFloat32(await own.read(name)),
        toFloat32(await theirs.read(key)),
      );
    }
  }

  // Other weights of the same files are other futures of the same models.
  const futures = (await recordsOf("futures")).length;
  const last = await frontier(...given, "--given-weights", "last");
  assertEquals(last.code, 0, last.stderr);
  assertEquals((await recordsOf("model")).length, 3);
  const more = await recordsOf("futures");
  // All but those of the baseline.
  assertEquals(more.length, 2 * futures - 1);
});
