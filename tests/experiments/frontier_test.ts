import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { taskFlags } from "../support/task_flags.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));

/** Starts the smoke preset as the task does, in its sandbox. */
function start(folder: string, ...args: string[]): Deno.ChildProcess {
  return new Deno.Command("deno", {
    cwd: root,
    args: [
      ...taskFlags("exp:frontier", { writeOnly: folder }),
      ...["--preset", "smoke"],
      ...["--out", `${folder}/runs`, "--cache", `${folder}/data`],
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

/** Ends a process at the first line that it writes of some form. */
async function endAt(
  process: Deno.ChildProcess,
  sign: RegExp,
  signal: "SIGINT" | "SIGTERM" | "SIGKILL",
) {
  let seen = "";
  let asked = NaN;
  const decoder = new TextDecoder();
  for await (const chunk of process.stderr) {
    seen += decoder.decode(chunk, { stream: true });
    if (!Number.isNaN(asked) || !sign.test(seen)) continue;
    asked = performance.now();
    process.kill(signal);
  }
  const { code } = await process.status;
  await process.stdout.cancel();
  return { code, seen, seconds: (performance.now() - asked) / 1000 };
}

/** Names of all files below a folder. */
async function filesOf(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) names.push(...await filesOf(join(folder, name)));
    else names.push(name);
  }
  return names;
}

async function folderOf(name: string): Promise<string> {
  const folder = `.test/${name}`;
  await Deno.remove(join(root, folder), { recursive: true }).catch(() => {});
  await Deno.mkdir(join(root, folder), { recursive: true });
  return folder;
}

async function tables(
  folder: string,
  experiment = "runs/frontier",
): Promise<string> {
  const runs = join(root, folder, experiment);
  const [run] = await Array.fromAsync(Deno.readDir(runs));
  return await Deno.readTextFile(join(runs, run?.name ?? "", "table2.csv"));
}

Deno.test("frontier runs in its sandbox, goes on after a kill to equal tables, and is not computed twice", async () => {
  const folder = await folderOf("frontier");
  const whole = await finish(start(folder));
  assertEquals(whole.code, 0, whole.stderr);
  assertMatch(whole.stdout, /The report is .*report\.html/);
  const wanted = await tables(folder);
  assert(wanted.split("\n").length > 9, "a row for every operating point");

  const again = await finish(start(folder));
  assertMatch(again.stdout, /Finished before/);
  // Another run of equal models trains and scores nothing.
  const elsewhere = ["--out", `${folder}/runs/other`];
  const other = await finish(start(folder, ...elsewhere));
  assertEquals(other.code, 0, other.stderr);
  assert(!/(draw|encode|train|sample|score).* \d+\/\d/.test(other.stderr));
  assertEquals(await tables(folder, "runs/other/frontier"), wanted);

  // Stopped within the only shard, then killed in training and in sampling.
  const killed = await folderOf("frontier-killed");
  const encoding = /encode train frames {2}(32|64|96|128|160|192)\//;
  const stopped = await endAt(start(killed), encoding, "SIGTERM");
  assertEquals(stopped.code, 143, stopped.seen);
  // One batch; 1.2 s on two busy cores.
  assert(stopped.seconds < 10, `${stopped.seconds} s`);
  const cached = await filesOf(join(root, killed, "data/artifacts/latents"));
  assertEquals(
    cached.filter((name) => !/json/.test(name)),
    ["latents-00000.safetensors.begun"],
  );
  for (const sign of [/train {2}[1-9]/, /sample {2}[1-9]/]) {
    await endAt(start(killed), sign, "SIGKILL");
  }
  const resumed = await finish(start(killed));
  assertEquals(resumed.code, 0, resumed.stderr);
  assertEquals(await tables(killed), wanted);
});

Deno.test("frontier stops at SIGTERM with 143 and says how to go on", async () => {
  const folder = await folderOf("frontier-stopped");
  const process = start(folder, "--samples", "4000");
  const { code, seen } = await endAt(process, /train {2}[1-9]/, "SIGTERM");
  assertEquals(code, 143, seen);
  assertMatch(seen, /To go on: .\/run exp:frontier --preset smoke/);
});

Deno.test("frontier prints its parameters and refuses a typo with the nearest name", async () => {
  const folder = await folderOf("frontier-usage");
  const help = await finish(start(folder, "--help"));
  assertEquals(help.code, 0);
  assertMatch(
    help.stdout,
    /--ddim-steps +sampling steps, a divisor of 1000 \(5; 50; 50\)/,
  );
  const typo = await finish(start(folder, "--horizn", "8"));
  assertEquals(typo.code, 2);
  assertMatch(typo.stderr, /--horizn: did you mean --horizon\?/);
  const wrong = await finish(start(folder, "--horizon", "many"));
  assertEquals(wrong.code, 2);
  assertMatch(wrong.stderr, /Cannot use --horizon many/);
});

Deno.test("frontier --preset paper --dry-run prints the plan and what is missing", async () => {
  const folder = await folderOf("frontier-plan");
  const plan = await finish(start(folder, "--preset", "paper", "--dry-run"));
  assertEquals(plan.code, 0, plan.stderr);
  assertMatch(plan.stdout, /1024 of 64 values/);
  assertMatch(plan.stdout, /--vae FILE/);
  const refused = await finish(start(folder, "--preset", "paper"));
  assertEquals(refused.code, 1);
  assertMatch(refused.stderr, /Cannot run the paper preset: it needs/);
});
