import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { placeFrozen, readFrozen } from "../../core/encoders/frozen.ts";
import {
  VJepa2,
  VJEPA2_VIT_L,
  type VJepa2Config,
  VJepa2Layer,
  vjepa2Turns,
} from "../../core/encoders/vjepa2.ts";
import { mean, slice } from "../../core/ops/mod.ts";
import { noGrad } from "../../core/tensor/autograd.ts";
import { tensor } from "../../core/tensor/create.ts";
import { worstError } from "../support/array64.ts";
import { readFixture, withPrefix } from "../support/fixture.ts";
import {
  generated,
  generatedImages,
  generatedWeights,
  weightsOf,
} from "../support/generated_weights.ts";
import { testGpu } from "../support/gpu.ts";

/** Two heads of 28: three turns of 8 and 4 features that do not turn. */
const SMALL: VJepa2Config = {
  hidden: 56,
  layers: 2,
  heads: 2,
  mlpRatio: 2,
  patch: 4,
  tubelet: 2,
  crop: 32,
  inputSize: 28,
};

/** The fixtures are computed in float64. */
const TOLERANCE = 1e-5; // measured 1.3e-6, in the full-width layer
/** Halves keep 11 bits of a weight. */
const HALF_TOLERANCE = 2e-3; // measured 6.2e-4, in the same

const CLIPS = [3, 16, 28, 28, 3];

async function assertClose(
  got: { read(): Promise<ArrayLike<number>> },
  wanted: ArrayLike<number>,
  tolerance = TOLERANCE,
): Promise<void> {
  const error = worstError(await got.read(), wanted);
  assert(error <= tolerance, `off by ${error.toExponential(1)}`);
}

for (const frames of [16, 1]) {
  for (const batch of [3, 1]) {
    Deno.test(`VJepa2 agrees with PyTorch on ${batch} clips of ${frames} frames`, async () => {
      const gpu = await testGpu();
      const fixture = await readFixture("vjepa2_small");
      const before = gpu.memory().live;
      {
        using model = new VJepa2(SMALL);
        const weights = weightsOf(withPrefix(fixture, "state."));
        await model.load(gpu, weights);
        using _ = gpu.scope();
        const all = tensor(
          gpu,
          generatedImages("vjepa2 clips", 3 * 16 * 28 * 28 * 3),
          CLIPS,
        );
        const clips = slice(slice(all, 1, 0, frames), 0, 0, batch);
        const wanted = fixture[`clips${frames}`]!.data.slice(0, batch * 56);
        await assertClose(model.encode(clips), wanted);
        if (frames === 1) {
          const single = model.encode(clips.reshape([batch, 28, 28, 3]));
          await assertClose(single, wanted);
        }
      }
      assertEquals(gpu.memory().live, before);
    });
  }
}

Deno.test("VJepa2 gives equal bits when weights come layer by layer", async () => {
  const gpu = await testGpu();
  const fixture = await readFixture("vjepa2_small");
  const state = withPrefix(fixture, "state.");
  const published = Object.fromEntries([
    ...Object.entries(state).map(([name, value]) => [`encoder.${name}`, value]),
    ["predictor.layernorm.weight", state["layernorm.weight"]!],
  ]);
  const before = gpu.memory().live;
  {
    using model = new VJepa2(SMALL);
    using _ = gpu.scope();
    const data = generatedImages("vjepa2 clips", 3 * 16 * 28 * 28 * 3);
    const clips = tensor(gpu, data, CLIPS);
    for (const half of [false, true]) {
      await model.load(gpu, weightsOf(published), { half });
      const whole = model.encode(clips);
      const streamed = await model.encodeStreamed(
        clips,
        weightsOf(published),
        { half },
      );
      assertEquals(await streamed.read(), await whole.read());
      await assertClose(
        streamed,
        fixture["clips16"]!.data,
        half ? HALF_TOLERANCE : TOLERANCE,
      );
    }
  }
  assertEquals(gpu.memory().live, before);
});

Deno.test("VJepa2Layer agrees with PyTorch at full width on 512 tokens", async () => {
  const gpu = await testGpu();
  const fixture = await readFixture("vjepa2_layer");
  const layer = new VJepa2Layer();
  for (const half of [false, true]) {
    const values = await readFrozen(layer, generatedWeights(layer), "", {
      half,
    });
    using _weights = placeFrozen(gpu, layer, values);
    using _ = gpu.scope();
    const data = generated("vjepa2 tokens", 512 * 1024).map((x) => 2 * x);
    const x = tensor(gpu, data, [1, 512, 1024]);
    const y = noGrad(() => layer.forward(x, vjepa2Turns(gpu, 2)));
    const got = Float32Array.from(await y.read());
    const part: number[] = [];
    for (let token = 7; token < 512; token += 16) {
      part.push(...got.subarray(1024 * token + 480, 1024 * token + 544));
    }
    const tolerance = half ? HALF_TOLERANCE : TOLERANCE;
    const error = worstError(part, fixture["y"]!.data);
    assert(error <= tolerance, `off by ${error.toExponential(1)}`);
    await assertClose(mean(y, [1]), fixture["mean"]!.data, tolerance);
  }
});

Deno.test("VJepa2 has the published names and 303,885,312 parameters", () => {
  const model = new VJepa2();
  const shapes = new Map(
    [...model.namedParameters("encoder.")].map((
      [name, { shape }],
    ) => [name, shape]),
  );
  assertEquals(shapes.size, 2 + 24 * 16 + 2);
  assertEquals(model.parameterCount, 303_885_312);
  assertEquals(
    shapes.get("encoder.embeddings.patch_embeddings.proj.weight"),
    [1024, 3, 2, 16, 16],
  );
  assertEquals(
    shapes.get("encoder.layer.23.attention.query.weight"),
    [1024, 1024],
  );
  assertEquals(shapes.get("encoder.layer.0.mlp.fc1.bias"), [4096]);
  assertEquals(shapes.get("encoder.layernorm.weight"), [1024]);
  assertEquals(model.width, VJEPA2_VIT_L.hidden);
});

Deno.test("VJepa2 refuses other weights and other clips", async () => {
  const gpu = await testGpu();
  using model = new VJepa2(SMALL);
  const state = { ...withPrefix(await readFixture("vjepa2_small"), "state.") };
  state["layer.9.norm1.bias"] = state["layer.0.norm1.bias"]!;
  state["layer.0.norm1.bias"] = { shape: [2], data: new Float32Array(2) };
  delete state["layernorm.bias"];
  const error = await assertRejects(
    () => model.load(gpu, weightsOf(state)),
    TypeError,
    "Cannot load weights into VJepa2: missing layernorm.bias; surplus layer.9.norm1.bias; misshaped layer.0.norm1.bias is (2), needed (56)",
  );
  assert(!error.message.includes("\n"));
  using _ = gpu.scope();
  for (const shape of [[1, 3, 28, 28, 3], [1, 32, 32, 3], [28, 28, 3]]) {
    const data = new Float32Array(shape.reduce((a, b) => a * b));
    assertThrows(
      () => model.encode(tensor(gpu, data, shape)),
      RangeError,
      "T 1 or a multiple of 2",
    );
  }
});
