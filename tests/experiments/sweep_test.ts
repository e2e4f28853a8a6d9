import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { emptyFolder } from "../support/experiment_process.ts";
import { taskFlags } from "../support/task_flags.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));

async function sweep(...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    cwd: root,
    args: [...taskFlags("sweep", { writeOnly: ".test" }), ...args],
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const GRID = [
  ...["exp:frontier", "--preset", "smoke"],
  ...["--over", "seeds=0,1", "--over", "recipe=paper,visible"],
];

Deno.test("sweep prints its grid and hours for --dry-run, and touches nothing", async () => {
  const out = await emptyFolder(".test/sweep-dry");
  const { code, stdout, stderr } = await sweep(
    ...GRID,
    ...["--dry-run", "--out", out, "--cache", out],
  );
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /Sweep frontier-smoke-[0-9a-f]{8}: 4 rows/);
  assertMatch(stdout, /\n3 {4}[0-9a-f]{12} {2}1 {6}visible\n/);
  assertMatch(stdout, /All rows: about \d+\.\d\d h/);
  assertEquals(await Array.fromAsync(Deno.readDir(out)), []);
});

Deno.test("sweep refuses a wrong command line in one line", async () => {
  const out = ["--out", ".test/sweep-none"];
  const cases: [string[], number, RegExp][] = [
    [["frontier", "--over", "seeds=0"], 2, /needs an experiment first/],
    [["exp:fronteer", "--over", "seeds=0"], 2, /needs an experiment first/],
    [["exp:frontier"], 2, /needs --over/],
    [["exp:frontier", "--over", "seeds=0,x"], 2, /--seeds x/],
    [["exp:frontier", "--over", "sede=0"], 2, /did you mean --seeds/],
    [[...GRID, "--throttle", "0"], 2, /--throttle 0: it needs at least 1/],
    [[...GRID, "--slurm", "--local", "2"], 2, /one of them/],
    [[...GRID, "--name", "a/b"], 2, /--name a\/b: it needs letters/],
    [["status", "none", ...out], 1, /Cannot find a sweep in \.test/],
    [["retry", "none", "all", ...out], 2, /failed, timeout or missing/],
  ];
  const ended = await Promise.all(cases.map(([args]) => sweep(...args)));
  for (const [i, { code, stderr }] of ended.entries()) {
    const [args, wanted, message] = cases[i]!;
    const [line = ""] = stderr.split("\n");
    assertEquals(
      [code, message.test(line)],
      [wanted, true],
      `${args}: ${line}`,
    );
  }
  assert(await Deno.stat(out[1]!).then(() => false, () => true));
});
