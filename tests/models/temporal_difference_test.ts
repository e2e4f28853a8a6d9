import { assert, assertThrows } from "@std/assert";
import {
  createWorldModel,
  temporalDifference,
} from "../../core/models/world_model.ts";
import { key } from "../../core/tensor/philox.ts";
import { normal } from "../../core/tensor/random.ts";
import type { Array64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";
import { testGpu } from "../support/gpu.ts";

/** The definition: frame h + 1 less frame h, of both, value by value. */
function definition(
  [x, y]: readonly [ArrayLike<number>, ArrayLike<number>],
  [batch, tokens, width]: readonly [number, number, number],
  horizon: number,
): number {
  const frame = tokens / horizon * width;
  let [sum, count] = [0, 0];
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h + 1 < horizon; h++) {
      for (let k = 0; k < frame; k++) {
        const at = (b * horizon + h) * frame + k;
        const change = (of: ArrayLike<number>) => of[at + frame]! - of[at]!;
        sum += (change(x) - change(y)) ** 2;
        count++;
      }
    }
  }
  return sum / count;
}

const shape = [2, 12, 5] as const;
for (const horizon of [2, 4]) {
  checkOp(`temporalDifference of ${horizon} frames`, {
    run: (x, y) => temporalDifference(x, y, horizon),
    oracle: (x: Array64, y: Array64) =>
      Float64Array.of(definition([x.data, y.data], shape, horizon)),
    cases: { "averages over pairs": { shapes: [shape, shape] } },
    tolerance: 5e-6, // as mse
  });
}

Deno.test("WorldModel.loss adds the weighted loss of changes, to direct regression and to x0", async () => {
  const gpu = await testGpu();
  const sizes = {
    ...{ horizon: 3, tokens: 4, patchDim: 8, dim: 16, blocks: 1, heads: 2 },
    ...{ frequencies: 4, hidden: 8, network: "dit" as const },
  };
  using _ = gpu.scope();
  const batch = {
    present: normal(gpu, [2, 4, 8], key("present", 0)),
    features: normal(gpu, [2, 3, 16], key("features", 0)),
    future: normal(gpu, [2, 12, 8], key("future", 0)),
  };
  const options = { seed: 0, samples: [0, 1] };
  using direct = createWorldModel(gpu, { ...sizes, objective: "direct" });
  const lossOf = async (model: typeof direct, motionWeight?: number) =>
    await model.loss(batch, {
      ...options,
      ...(motionWeight === undefined ? {} : { motionWeight }),
    }).item();
  const [x, y] = [
    await direct.predict(batch).read() as Float32Array,
    await batch.future.read() as Float32Array,
  ];
  const changes = definition([x, y], [2, 12, 8], 3);
  const plain = await lossOf(direct);
  assert(Math.abs(await lossOf(direct, 0.5) - plain - 0.5 * changes) < 1e-5);

  using x0 = createWorldModel(gpu, { ...sizes, objective: "x0" });
  const [none, one, two] = [
    await lossOf(x0, 0),
    await lossOf(x0, 1),
    await lossOf(x0, 2),
  ];
  assert(one > none && Math.abs((two - none) - 2 * (one - none)) < 1e-5);

  using v = createWorldModel(gpu, { ...sizes, objective: "v" });
  assertThrows(
    () => v.loss(batch, { ...options, motionWeight: 1 }),
    TypeError,
    'the objective is "v", needed "x0" or "direct"',
  );
});

Deno.test("temporalDifference refuses one frame, and tokens that are no whole frames", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const x = normal(gpu, [1, 6, 2], key("x", 0));
  for (const horizon of [1, 4]) {
    assertThrows(
      () => temporalDifference(x, x, horizon),
      RangeError,
      `6 tokens of ${horizon} frames`,
    );
  }
});
