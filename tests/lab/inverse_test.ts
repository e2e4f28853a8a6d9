import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { type InverseScene, midpoints } from "../../core/lab/inverse.ts";
import {
  agreement,
  chanceError,
  commonScenes,
  followGap,
  inversionScore,
  invertScenes,
} from "../../core/lab/inverse_results.ts";
import { inverseParams, joinTold } from "../../core/lab/inverse_run.ts";
import { labPresets } from "../../core/lab/params.ts";

const VALUES = [-0.2, 0, 0.2];

/** A scene whose responses are a multiple of the steering. */
function scene(name: string, slope: number): InverseScene {
  const responses = {
    grid: VALUES.map((x) => slope * x),
    targets: midpoints(VALUES).map((x) => slope * x + 0.1),
    recorded: slope * 0.05,
  };
  return {
    ...{ scene: name, steer: 0.05 },
    ...{ shift: responses, subpixel: responses, probe: responses },
  };
}

Deno.test("invertScenes tells held-out and recorded steering; scenes without a response count as guesses", () => {
  const scenes = [scene("a", 2), scene("b", -1), scene("c", 0)];
  const inverted = invertScenes(VALUES, scenes, "shift");
  assertEquals(inverted.map((one) => one === undefined), [false, false, true]);
  // A response of 0.1 too much is 0.05 and -0.1 of steering.
  assertAlmostEquals(inverted[0]!.error, 0.05, 1e-9);
  assertAlmostEquals(inverted[1]!.error, 0.1, 1e-9);
  assertAlmostEquals(inverted[0]!.told.at(-1)!, 0.05, 1e-9);
  assertEquals([inverted[0]!.rho, inverted[1]!.rho], [1, -1]);
  const chance = chanceError(VALUES);
  // (0.1^2 + 0.3^2) / (2 0.4), twice.
  assertAlmostEquals(chance, 0.125, 1e-12);
  const names = scenes.map(({ scene }) => scene);
  const score = inversionScore(inverted, names, [0], chance, 0);
  assertAlmostEquals(score.error.value!, 0.075, 1e-9);
  assertEquals(score.error.n, 2);
  assertAlmostEquals(score.ratio.value!, 0.6, 1e-9);
  assertAlmostEquals(score.common.value!, 0.05, 1e-9);
  assertAlmostEquals(score.all.value!, (0.15 + 0.125) / 3, 1e-9);
  assertAlmostEquals(score.allRatio.value!, (1.2 + 1) / 3, 1e-9);
  const none = inversionScore([undefined], ["a"], [], chance, 0);
  assertEquals([none.error.value, none.all.value], [null, chance]);
});

Deno.test("commonScenes are those that respond with every model", () => {
  const one = invertScenes(VALUES, [scene("a", 1), scene("b", 0)], "shift");
  const two = invertScenes(VALUES, [scene("a", 2), scene("b", 1)], "shift");
  assertEquals(commonScenes([one, two]), [0]);
  assertEquals(commonScenes([two, two]), [0, 1]);
});

Deno.test("agreement and followGap compare told steering with what was given", () => {
  const given = [0.1, -0.1, 0.2, 0];
  const told = given.map((x) => 0.5 * x + 0.01);
  const scenes = ["a", "b", "c", "d"];
  const { correlation, slope, error } = agreement(told, given, scenes, 0);
  assertAlmostEquals(correlation.value!, 1, 1e-9);
  assertAlmostEquals(slope.value!, 0.5, 1e-9);
  // |0.01 - 0.5 x| of each.
  assertAlmostEquals(error.value!, (0.04 + 0.06 + 0.09 + 0.01) / 4, 1e-9);
  const recorded = [-0.1, 0.1, -0.2, 0];
  const gap = followGap({ told, given, recorded, scenes }, 0, 0.95);
  assertAlmostEquals(gap.value!, 2, 1e-9);
  assertEquals(agreement(told, [1, 1, 1, 1], scenes, 0).slope.value, null);
  const twice = joinTold([
    { told, given, recorded, scenes },
    { told, given, recorded, scenes },
  ]);
  assertEquals([twice.told.length, twice.scenes.length], [8, 8]);
});

Deno.test("inverseParams refuse more scenes than are swept", () => {
  const good = {
    ...labPresets.smoke,
    values: VALUES,
    guidances: [1, 2],
    ...{ sweeps: 3, sweepSteps: 5, probeSteps: 1, inverseScenes: 3 },
  };
  assert(inverseParams.safeParse(good).success);
  for (
    const change of [
      { inverseScenes: 4 },
      { inverseScenes: 1 },
      { values: [0.1, 0, 0.2] },
      { guidances: [2, 1] },
      { sweepSteps: 7 },
    ]
  ) {
    const { success } = inverseParams.safeParse({ ...good, ...change });
    assertEquals(success, false, JSON.stringify(change));
  }
});
