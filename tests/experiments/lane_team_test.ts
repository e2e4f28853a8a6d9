import { assertEquals, assertRejects } from "@std/assert";
import { Artifacts } from "../../core/experiment/artifact.ts";
import { Interrupt } from "../../core/experiment/interrupt.ts";
import { LaneTeam } from "../../core/experiment/lane_team.ts";
import { RunDirectory } from "../../core/experiment/run_directory.ts";
import { NO_SOURCES } from "../support/sources.ts";
import { testGpu } from "../support/gpu.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

const WORKER = new URL("../support/lane_worker.ts", import.meta.url);

/** A team of two lanes; labels of its progress lines are listed. */
async function teamIn(path: string) {
  const lines: string[] = [];
  const interrupt = await Interrupt.open();
  const run = RunDirectory.inside(path);
  const making = { sources: NO_SOURCES, command: "test", root: path };
  const team = new LaneTeam(WORKER, 2, {
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
    progress: (label) => {
      lines.push(label);
      return { update: () => {}, end: () => {} };
    },
    log: () => {},
  }, making);
  const close = () => {
    team[Symbol.dispose]();
    interrupt[Symbol.dispose]();
  };
  return { team, run, lines, close };
}

const cases = [{ n: 5 }, { n: 6 }, { n: 5 }];

Deno.test("LaneTeam.each keeps the result of every case, and does not start for what is kept", async () => {
  using folder = tinyFolder();
  const first = await teamIn(folder.path);
  assertEquals(await first.team.each("add", cases), [10, 12, 10]);
  assertEquals(first.lines, ["add"]);
  const [time] = first.run.stageTimes;
  assertEquals(time?.stage, "add 5");
  first.close();

  const second = await teamIn(folder.path);
  assertEquals(await second.team.each("add", cases), [10, 12, 10]);
  assertEquals(second.lines, []);
  const more = await second.team.each("add", [{ n: 7 }, { n: 6 }], {
    title: "more",
  });
  assertEquals([more, second.lines], [[14, 12], ["more"]]);
  second.close();
});

Deno.test("LaneTeam.each refuses cases that JSON would change", async () => {
  using folder = tinyFolder();
  const { team, close } = await teamIn(folder.path);
  await assertRejects(
    () => team.each("add", [{ n: NaN }]),
    TypeError,
    "Cannot keep add.n as JSON: got NaN",
  );
  close();
});
