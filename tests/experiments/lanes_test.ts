import { assertEquals, assertRejects } from "@std/assert";
import { Artifacts } from "../../core/experiment/artifact.ts";
import { Interrupt, Interrupted } from "../../core/experiment/interrupt.ts";
import { Lanes } from "../../core/experiment/lanes.ts";
import type { StageProgress } from "../../core/experiment/progress.ts";
import { RunDirectory } from "../../core/experiment/run_directory.ts";
import { NO_SOURCES } from "../support/sources.ts";
import { testGpu } from "../support/gpu.ts";

const WORKER = new URL("../support/lane_worker.ts", import.meta.url);

/** A context of two lanes in a folder of its own. */
async function setUp(name: string) {
  const path = `.test/lanes-${name}-${crypto.randomUUID()}`;
  await Deno.mkdir(path, { recursive: true });
  const lines: string[] = [];
  const shown: StageProgress[] = [];
  const interrupt = await Interrupt.open();
  const run = RunDirectory.inside(path);
  const line = {
    update: (progress: StageProgress) => void shown.push(progress),
    end: () => {},
  };
  const making = { sources: NO_SOURCES, command: "test", root: path };
  const lanes = new Lanes(WORKER, 2, {
    gpu: await testGpu(),
    artifacts: new Artifacts(making),
    params: { factor: 2 },
    flags: {
      preset: "smoke",
      out: path,
      cache: path,
      fresh: false,
      dryRun: false,
      help: false,
      files: {},
    },
    run,
    interrupt,
    command: "test",
    progress: () => line,
    log: (text) => void lines.push(text),
  }, making);
  const close = async () => {
    lanes[Symbol.dispose]();
    interrupt[Symbol.dispose]();
    await Deno.remove(path, { recursive: true });
  };
  return { lanes, run, interrupt, lines, shown, line, close };
}

const count = (n: number) => ({ job: "count", input: { n }, label: `${n}` });

Deno.test("Lanes do tasks on devices of their own and keep the order of results", async () => {
  const { lanes, run, shown, line, close } = await setUp("order");
  const results = await lanes.all([1, 20, 300, 4].map(count), line);
  assertEquals(results, [2, 40, 600, 8]);
  assertEquals(shown.at(-1)?.done, 325);
  assertEquals(shown.at(-1)?.detail?.includes("300 loss 300.0000"), true);
  // What a lane kept, the run finds.
  const stored = await run.stage("count-20", () => Promise.resolve(0));
  assertEquals(stored, 40);
  await close();
});

Deno.test("Lanes report the first failure after the tasks that were begun", async () => {
  const { lanes, line, close } = await setUp("failure");
  const failing = { job: "fail", input: { message: "no luck" }, label: "x" };
  await assertRejects(
    () => lanes.all([failing, count(5), count(6)], line),
    Error,
    "no luck",
  );
  assertEquals(await lanes.all([count(7)], line), [14]);
  await assertRejects(
    () => lanes.all([{ job: "sing", input: 0, label: "x" }], line),
    Error,
    'Cannot do "sing": the lane\'s jobs are count, add, fail, wait',
  );
  await close();
});

Deno.test("Lanes stop when the run is asked to", async () => {
  const { lanes, interrupt, lines, line, close } = await setUp("stop");
  const waiting = lanes.all([{ job: "wait", input: 0, label: "x" }], line);
  while (lines.length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  Deno.kill(Deno.pid, "SIGTERM");
  const error = await assertRejects(() => waiting, Interrupted);
  assertEquals(error.status, 143);
  assertEquals(interrupt.requested, true);
  await close();
});
