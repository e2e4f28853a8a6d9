import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { readFindings } from "../../core/experiment/findings_report.ts";
import { taskFlags } from "../support/task_flags.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));
const folder = ".test/spatial";

Deno.test("spatial trains the whole matrix and both MLPs", async () => {
  await Deno.remove(join(root, folder), { recursive: true }).catch(() => {});
  await Deno.mkdir(join(root, folder), { recursive: true });
  const { code, stderr } = await new Deno.Command("deno", {
    cwd: root,
    args: [
      ...taskFlags("exp:spatial", { writeOnly: folder }),
      ...["--out", folder, "--cache", `${folder}/data`, "--preset", "smoke"],
    ],
    stdout: "piped",
    stderr: "piped",
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  const runs = join(root, folder, "spatial");
  const [own] = await Array.fromAsync(Deno.readDir(runs));
  const run = join(runs, own!.name);
  const { claims } = await readFindings(run);
  assertEquals(claims.length, 7);
  const table = async (name: string) =>
    JSON.parse(await Deno.readTextFile(join(run, `${name}.json`)));
  // Four objectives, anchored or not, two MLPs, the copy.
  assertEquals((await table("spatial")).rows.length, 11);
  assertEquals((await table("pooled")).rows.length, 11);
  assertEquals((await table("gaps")).rows.length, 16);
  const sizes = (await table("sizes")).rows;
  const size = (name: string) =>
    sizes.find((row: { name: string }) => row.name === name).cells.grid;
  assert(size("mlpMatched") > size("mlp"));
  assertEquals(size("x0"), size("x0Anchored"));
  const { cells } = (await table("actions")).rows[0];
  assert(cells["distilled-turned"].value >= 0);
});
