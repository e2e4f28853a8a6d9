import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { taskFlags, type TaskName } from "../support/task_flags.ts";
import { messageOf } from "../../core/experiment/permissions.ts";
import { checkFolder } from "../../core/experiment/run_directory.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));

Deno.test("messageOf names ./run, a comma or a link, and leaves other errors alone", () => {
  const refusal = (path: string) =>
    new Error(
      `Cannot read: Requires read access to "${path}", run again with the --allow-read flag`,
    );
  assertEquals(
    messageOf(refusal("/disk/my data/x"), "fid", ["/disk/my data/", "b"]),
    "Cannot read /disk/my data/x: a task may read only the project folder; start the same by ./run fid '/disk/my data/' b, which adds what it names",
  );
  assertMatch(
    messageOf(refusal("/disk/a,b"), "embed", ["--input=/disk/a,b"]),
    /^Cannot read \/disk\/a,b: .* rename what has a comma/,
  );
  assertMatch(
    messageOf(refusal("/disk/a"), "embed", ["--input", "data/link"]),
    /a link leads there, so name the place itself/,
  );
  assertEquals(messageOf(new Error("Cannot x"), "fid", []), "Cannot x");
});

Deno.test("tasks without ./run say to start by it for what lies outside of the project", async () => {
  const cases = [
    ["exp:frontier", "read", "--dry-run", "--data", "/nowhere/x"],
    ["exp:frontier", "read", "--dry-run", "--vae", "/nowhere/x"],
    ["exp:frontier", "write", "--dry-run", "--out", "/nowhere/x"],
    ["data:driveworld", "(read|write)", "--out", "/nowhere/x"],
    ["weights", "read", "--weights", "/nowhere/x"],
    ["vae", "read", "decode", "--input", "/nowhere/x", "--output", "runs/x"],
    ...["embed demo_features", "vae encode"].map((words) => {
      const [task = "", word = ""] = words.split(" ");
      const input = ["--input", "fixtures/torch/images"];
      return [task, "write", word, ...input, "--output", "/nowhere/x.npz"];
    }),
    ["fid", "read", "/nowhere/x", "fixtures/torch/images"],
    ["fid", "write", "data", "data", "--cache", "/nowhere/x"],
    ["train:vae", "write", "--out", "/nowhere/x.safetensors"],
    ["train:features", "write", "--out", "/nowhere/x.safetensors"],
  ] as const;
  for (const [task, access, ...args] of cases) {
    const { code, stderr } = await new Deno.Command("deno", {
      cwd: root,
      args: [...taskFlags(task as TaskName), ...args],
    }).output();
    const lines = new TextDecoder().decode(stderr).trim().split("\n");
    const sign = `^Cannot ${access} /nowhere/x.*by ./run ${task} .*/nowhere/x`;
    assertMatch(lines.at(-1) ?? "", new RegExp(sign));
    assertEquals(code, 1, `${task}: ${lines}`);
  }
});

Deno.test("checkFolder makes a folder, leaves nothing in it, and names the flag of one that is closed", async () => {
  using folder = tinyFolder();
  const path = `${folder.path}/a/b`;
  await checkFolder(path, "--cache");
  assertEquals(await Array.fromAsync(Deno.readDir(path)), []);
  await Deno.writeTextFile(`${path}/file`, "");
  await assertRejects(
    () => checkFolder(`${path}/file`, "--cache"),
    Error,
    "name another folder by --cache",
  );
});
