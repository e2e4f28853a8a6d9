import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
} from "@std/assert";
import { type Draw, futures, windowNoise } from "../../core/lab/futures.ts";
import { isFrameByFrame, modelCost } from "../../core/lab/model_plan.ts";
import { type ModelSpec, training } from "../../core/lab/models.ts";
import { modelOf, pairsOf } from "../../core/lab/pair.ts";
import { labPresets } from "../../core/lab/params.ts";
import { tinyLab, writeTinyData } from "../support/lab.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

const frame: ModelSpec = { mode: "diffusion", recipe: "frame", seed: 0 };

Deno.test("a lab predicts frame by frame: trained once, sampled by draw and not by batch, with the run's own steps", async () => {
  using folder = tinyFolder();
  await writeTinyData(folder.path);
  using opened = await tinyLab(folder.path);
  const { lab, begun } = opened;
  const { horizon, frameSteps } = lab.params;
  const { windows } = await lab.part("test");
  const draws = windows.slice(0, 3).map((window): Draw => ({
    window,
    noise: windowNoise("test", 0, window),
  }));
  const at = async (some: readonly Draw[], ddimSteps?: number) => {
    using made = await futures(lab, {
      model: frame,
      part: "test",
      draws: some,
      guidance: 1.5,
      ...(ddimSteps === undefined ? {} : { ddimSteps }),
    });
    return { digest: made.digest, last: made.whole(some.length - 1) };
  };
  const beside = await at(draws);
  const alone = await at(draws.slice(2));
  assertEquals(alone.last.length, horizon * 4 * 8 * 8);
  for (const [i, value] of alone.last.entries()) {
    assertAlmostEquals(value, beside.last[i]!, 1e-4);
  }
  assertEquals((await at(draws, frameSteps)).digest, beside.digest);
  assert((await at(draws, 2)).digest !== beside.digest);

  // A later frame does not change an earlier one: actions of the last step.
  const [draw] = draws as [Draw];
  const { actions } = await lab.part("test");
  const { row } = draw.window;
  const recorded = actions.slice(2 * row, 2 * (row + horizon));
  const other = recorded.with(2 * horizon - 2, 0.9);
  const same = await at([{ ...draw, actions: recorded }]);
  const turned = await at([{ ...draw, actions: other }]);
  const size = same.last.length / horizon;
  const early = (future: Float32Array) => future.subarray(0, -size);
  assertEquals(early(turned.last), early(same.last));
  assert(turned.last.some((value, i) => value !== same.last[i]));

  assertEquals(
    begun.filter((label) => label.startsWith("train")),
    ["train diffusion"],
  );
  const direct = { ...frame, mode: "direct" } as const;
  using made = await futures(lab, { model: direct, part: "test", draws });
  assertEquals(made.count, 3);
  await assertRejects(
    () => lab.windows("fresh"),
    TypeError,
    "Cannot take fresh scenes: they are of the embedded world only",
  );
});

Deno.test("the baseline goes frame by frame with no recipe", async () => {
  using folder = tinyFolder();
  await writeTinyData(folder.path);
  using opened = await tinyLab(folder.path);
  const digests = [];
  for (const recipe of ["frame", "paper"] as const) {
    const spec = modelOf({ recipe, seed: 0 }, "mlp");
    assertEquals(isFrameByFrame(spec), false);
    digests.push((await training(opened.lab, spec)).digest);
  }
  assertEquals(digests[0], digests[1]);
  assertEquals(pairsOf({ recipe: "frame", seeds: [1] }), [
    { recipe: "frame", seed: 1 },
  ]);
});

Deno.test("modelCost gives frame by frame as many operations as a visible present, less than one sample short", () => {
  const { demo } = labPresets;
  const shape = [4, 8, 8] as const;
  const visible = { ...frame, recipe: "visible" } as const;
  const [ours, theirs] = [frame, visible]
    .map((spec) => modelCost(demo, shape, spec)) as [
      ReturnType<typeof modelCost>,
      ReturnType<typeof modelCost>,
    ];
  assertEquals(theirs.samples, demo.samples);
  // By hand, as PyTorch's hooks count: 16.697 and 5.289 MFLOP.
  assertEquals([theirs.forward, ours.forward], [16_697_344, 5_288_832]);
  assertEquals(ours.samples, Math.floor(24_000 * 16_697_344 / 5_288_832));
  const short = theirs.training - ours.training;
  assert(short >= 0 && short < 3 * ours.forward);
  assertEquals([ours.passes, theirs.passes], [demo.horizon, 1]);
});
