import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import type { Futures } from "../../core/lab/futures.ts";
import { windowNoise } from "../../core/lab/futures.ts";
import { type JumpSpec, jumpTraining } from "../../core/lab/jump.ts";
import { type ChainsSpec, jumpChains } from "../../core/lab/jump_chains.ts";
import {
  type JumpLabParams,
  jumpLabParams,
  jumpPresets,
  jumpSteps,
} from "../../core/lab/jump_params.ts";
import { Interrupted, StopFlag } from "../../core/experiment/interrupt.ts";
import { Lab } from "../../core/lab/lab.ts";
import { labPresets } from "../../core/lab/params.ts";
import { tinyLab, writeTinyData } from "../support/lab.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

const direct: JumpSpec = { mode: "direct", recipe: "paper", seed: 0 };

const smoke = { ...jumpPresets.smoke, jumpSamples: 32, jumpBatch: 8 };

async function jumpLab(folder: string, params: Partial<JumpLabParams> = {}) {
  const opened = await tinyLab(folder, { ...smoke, ...params });
  return { ...opened, lab: opened.lab as Lab<JumpLabParams> };
}

function valuesOf(made: Futures): Float32Array[] {
  return Array.from({ length: made.count }, (_, i) => made.whole(i));
}

Deno.test("jumpChains are open or forced chains, made once; the first jump of both is the same", async () => {
  using folder = tinyFolder();
  await writeTinyData(folder.path);
  const { lab, begun } = await jumpLab(folder.path);
  using _ = lab;
  const { windows, latents } = await lab.part("test");
  const draws = windows.slice(0, 2).map((window) => ({ window }));
  const of = async (spec: Partial<ChainsSpec> = {}) => {
    using made = await jumpChains(lab, {
      ...{ model: direct, part: "test", draws },
      ...spec,
    });
    return { values: valuesOf(made), horizon: made.horizon };
  };
  const open = await of();
  assertEquals(open.horizon, 4);
  assertEquals(jumpSteps(lab.params), [0, 1, 2, 3]);
  const trainings = begun.filter((label) => label === "train jump direct");
  assertEquals(trainings.length, 1);
  assertEquals((await of()).values, open.values);
  assertEquals(begun.filter((label) => label === "jump").length, 1);

  const { size } = latents;
  const forced = await of({ isForced: true });
  assertEquals(
    forced.values[0]!.subarray(0, size),
    open.values[0]!.subarray(0, size),
  );
  assertNotEquals(forced.values, open.values);

  // A forced jump is the first one of a chain that begins there.
  const { row } = windows[0]!;
  const { actions } = await lab.part("test");
  const later = await of({
    links: 1,
    draws: [{
      window: windows[0]!,
      actions: actions.slice(2 * (row + 2), 2 * (row + 3)),
      present: latents.read(row + 2, row + 3),
    }],
  });
  for (const [k, value] of later.values[0]!.entries()) {
    assertAlmostEquals(value, forced.values[0]![2 * size + k]!, 1e-4);
  }
  // Weights after the last step are other ones.
  assertNotEquals((await of({ weights: "last" })).values, open.values);
});

Deno.test("jump models and chains that were stopped go on with the same bits", async () => {
  using folder = tinyFolder();
  using other = tinyFolder();
  for (const { path } of [folder, other]) await writeTinyData(path);
  const params = { evalBatch: 1, jumpSamples: 64 };
  const chain = async (lab: Lab<JumpLabParams>) => {
    const { windows } = await lab.part("test");
    const draws = windows.map((window) => ({ window }));
    using made = await jumpChains(lab, { model: direct, part: "test", draws });
    return valuesOf(made);
  };
  const whole = await jumpLab(other.path, params);
  using _ = whole.lab;
  const wanted = await chain(whole.lab);
  // Stopped once in training and once between two chains.
  for (const label of ["train jump direct", "jump"]) {
    const { lab } = await jumpLab(folder.path, params);
    const interrupt = new StopFlag();
    using stopped = new Lab({
      ...lab.context,
      interrupt,
      progress: (line) => ({
        update: ({ done }) => {
          if (line === label && (label !== "jump" || done > 0)) {
            Atomics.store(new Int32Array(interrupt.buffer), 0, 130);
          }
        },
        end: () => {},
      }),
    });
    await assertRejects(() => chain(stopped), Interrupted);
    lab[Symbol.dispose]();
  }
  const { lab } = await jumpLab(folder.path, params);
  using _last = lab;
  assertEquals(await chain(lab), wanted);
});

Deno.test("jumpChains go to the end of a scene and no further, unless actions are given", async () => {
  using folder = tinyFolder();
  await writeTinyData(folder.path);
  const { lab } = await jumpLab(folder.path);
  using _ = lab;
  const { windows } = await lab.part("whole");
  // Nine keyframes: windows of four begin at 0 to 4.
  assertEquals(windows.map(({ start }) => start), [
    ...[0, 1, 2, 3, 4],
    ...[0, 1, 2, 3, 4],
  ]);
  const of = async (spec: Partial<ChainsSpec>) => {
    using made = await jumpChains(lab, {
      ...{ model: direct, part: "whole", draws: [] },
      ...spec,
    });
    return valuesOf(made);
  };
  const [first] = windows;
  const long = await of({ draws: [{ window: first! }], links: 8 });
  const short = await of({ draws: [{ window: first! }] });
  assertEquals(long[0]!.subarray(0, short[0]!.length), short[0]);
  const { message } = await assertRejects(
    () => of({ draws: [{ window: first! }], links: 9 }),
    RangeError,
  );
  assertEquals(
    message,
    `Cannot jump 9 frames from window ${
      first!.id
    }: its part ends the scene before; take fewer links, windows that begin earlier, or the part "whole"`,
  );
  const actions = new Float32Array(18);
  const free = await of({ draws: [{ window: first!, actions }], links: 9 });
  assert(free[0]!.every(Number.isFinite));
  await assertRejects(
    () => of({ draws: [{ window: first!, actions }], links: 8 }),
    RangeError,
    "its actions are 9 pairs, needed 8",
  );
});

Deno.test("jump models by diffusion, with noised anchors or on their own anchors are models of their own", async () => {
  using folder = tinyFolder();
  await writeTinyData(folder.path);
  const { lab, begun } = await jumpLab(folder.path, {
    horizon: 8,
    jumpLinks: 4,
  });
  using _ = lab;
  const { windows } = await lab.part("test");
  const draws = windows.slice(0, 1).map((window) => ({
    window,
    noise: windowNoise("test", 0, window),
  }));
  const specs: JumpSpec[] = [
    direct,
    { ...direct, changes: { jumpOwnAnchors: 1 } },
    { ...direct, changes: { jumpAnchorNoise: 0.2 } },
    { ...direct, mode: "diffusion" },
    { ...direct, mode: "diffusion", recipe: "visible" },
  ];
  const seen = new Set<string>();
  for (const model of specs) {
    using made = await jumpChains(lab, { model, part: "test", draws });
    assertEquals([made.horizon, made.count], [4, 1]);
    const values = made.whole(0);
    assert(values.every(Number.isFinite));
    seen.add(values.join());
  }
  assertEquals(seen.size, specs.length);
  // In one pass the anchor is the input: both recipes are one model.
  const before = begun.length;
  await jumpTraining(lab, { ...direct, recipe: "visible" });
  assertEquals(begun.length, before);
});

Deno.test("jumpLabParams refuse jumps that do not fill the horizon, and odd heads", () => {
  const good = { ...labPresets.smoke, ...jumpPresets.smoke };
  assert(jumpLabParams.safeParse(good).success);
  for (
    const change of [
      { jumpLinks: 3 },
      { jumpHeads: 5 },
      { jumpHeads: 0 },
      { jumpDim: 512 },
      { jumpDdimSteps: 7 },
      { jumpOwnAnchors: 2 },
      { patch: 3 },
    ]
  ) {
    const { success } = jumpLabParams.safeParse({ ...good, ...change });
    assertEquals(success, false, JSON.stringify(change));
  }
  for (const preset of ["smoke", "demo", "paper"] as const) {
    const all = { ...labPresets[preset], ...jumpPresets[preset] };
    assert(jumpLabParams.safeParse(all).success, preset);
  }
});
