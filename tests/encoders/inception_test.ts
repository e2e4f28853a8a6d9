import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { WeightSource } from "../../core/encoders/frozen.ts";
import { ConvBnRelu } from "../../core/encoders/inception_blocks.ts";
import {
  InceptionV3,
  preprocessInception,
} from "../../core/encoders/inception_v3.ts";
import { parameters } from "../../core/nn/parameters.ts";
import { slice } from "../../core/ops/mod.ts";
import { noGrad } from "../../core/tensor/autograd.ts";
import { tensor } from "../../core/tensor/create.ts";
import { worstError } from "../support/array64.ts";
import { readFixture } from "../support/fixture.ts";
import {
  generated,
  generatedImages,
  generatedParameter,
  generatedWeights,
} from "../support/generated_weights.ts";
import { testGpu } from "../support/gpu.ts";

/** Variance of the generated kernels: 2 keeps that of the signal under relu. */
const GAIN = 2;

/** float32 against float64 through 94 convolutions; measured 7.5e-7. */
const TOLERANCE = 5e-6;

Deno.test("preprocessInception makes bytes by truncation, as torchmetrics", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  // Every byte over 255, its neighbours, and the ends.
  const values = new Float32Array(299 * 299 * 3);
  for (let i = 0; i < values.length; i++) {
    const byte = i % 256;
    values[i] = byte / 255 + (Math.floor(i / 256) % 3 - 1) * 1e-7;
  }
  values[0] = -0.5;
  values[1] = 1.5;
  values[2] = 1;
  const images = tensor(gpu, values, [1, 299, 299, 3]);
  const got = await preprocessInception(images).read();
  const wanted = values.map((x) => {
    const byte = Math.floor(
      Math.fround(Math.fround(Math.min(Math.max(x, 0), 1)) * 255),
    );
    return (byte - 128) / 128;
  });
  assertEquals(got, wanted);
  const bytes = tensor(
    gpu,
    wanted.map((x) => x * 128 + 128),
    [1, 299, 299, 3],
  );
  const same = preprocessInception(bytes, { range: "bytes" });
  assertEquals(await same.read(), wanted);
});

Deno.test("InceptionV3 agrees with PyTorch at full width, at every feature", async () => {
  const gpu = await testGpu();
  const fixture = await readFixture("inception_full");
  const before = gpu.memory().live;
  {
    using model = new InceptionV3();
    await model.load(gpu, generatedWeights(model, "", GAIN));
    using _ = gpu.scope();
    const data = generatedImages("inception frames", 37 * 52 * 3);
    const frames = tensor(gpu, data, [1, 37, 52, 3]);
    const images = preprocessInception(frames);

    const scaled = Float32Array.from(await images.read());
    const part: number[] = [];
    for (let y = 5; y < 299; y += 37) {
      for (let x = 3; x < 299; x += 29) {
        part.push(...scaled.subarray(3 * (299 * y + x), 3 * (299 * y + x) + 3));
      }
    }
    const resized = worstError(part, fixture["scaled"]!.data);
    // Measured 1.2e-7.
    assert(resized < 1e-6, `resize is off by ${resized.toExponential(1)}`);

    for (const at of [64, 192, 768, 2048] as const) {
      const features = model.forward(images, { at });
      assertEquals(features.shape, [1, at]);
      const error = worstError(
        await features.read(),
        fixture[`features ${at}`]!.data,
      );
      assert(error < TOLERANCE, `${at} is off by ${error.toExponential(1)}`);
    }
    const whole = await model.encode(frames).read();
    assertEquals(whole, await model.forward(images).read());
  }
  assertEquals(gpu.memory().live, before);
});

Deno.test("InceptionV3 gives an image the same features in any batch", async () => {
  const gpu = await testGpu();
  using model = new InceptionV3();
  await model.load(gpu, generatedWeights(model, "", GAIN));
  using _ = gpu.scope();
  const data = generatedImages("inception batch", 3 * 20 * 20 * 3);
  const frames = tensor(gpu, data, [3, 20, 20, 3]);
  const all = await model.encode(frames, { at: 192 }).read();
  const last = slice(frames, 0, 2, 3);
  const one = await model.encode(last, { at: 192 }).read();
  assertEquals(one, all.slice(2 * 192));
});

Deno.test("InceptionV3 has the published names and 21,785,568 parameters", () => {
  const model = new InceptionV3();
  // The classifier, 1008 x 2048 and a bias, is not part of it.
  assertEquals(model.parameterCount, 23_850_960 - 1008 * 2049);
  const shapes = new Map(
    [...model.namedParameters()].map(([name, { shape }]) => [name, shape]),
  );
  assertEquals(shapes.size, 94 * 6);
  assertEquals(shapes.get("Conv2d_1a_3x3.conv.weight"), [32, 3, 3, 3]);
  assertEquals(
    shapes.get("Mixed_6e.branch7x7dbl_5.conv.weight"),
    [192, 192, 1, 7],
  );
  assertEquals(shapes.get("Mixed_7c.branch_pool.bn.running_var"), [192]);
});

Deno.test("InceptionV3 reads no classifier, auxiliary head or counter, and refuses other files", async () => {
  const gpu = await testGpu();
  using model = new InceptionV3();
  const file = generatedWeights(model, "", GAIN);
  const withNames = (names: readonly string[]): WeightSource => ({
    names,
    info: (name) => names.includes(name) ? file.info(name) : undefined,
    read: file.read,
  });
  const needed = file.names.filter((name) => !name.endsWith("_tracked"));
  await model.load(
    gpu,
    withNames([...needed, "fc.weight", "fc.bias", "AuxLogits.fc.bias"]),
  );
  await assertRejects(
    () => model.load(gpu, withNames([...needed.slice(1), "Mixed_8a.x"])),
    TypeError,
    "Cannot load weights into InceptionV3: missing Conv2d_1a_3x3.conv.weight; surplus Mixed_8a.x",
  );
  await assertRejects(
    () => model.load(gpu, withNames(["blocks.0.attn.qkv.weight"])),
    TypeError,
    'Cannot load weights into InceptionV3: their names look like a ViT (timm), needed "Mixed_7c.branch_pool.conv.weight" (torch-fidelity, pytorch-fid)',
  );
  using _ = gpu.scope();
  assertThrows(
    () => model.forward(tensor(gpu, new Float32Array(48), [1, 4, 4, 3])),
    RangeError,
    "Cannot apply InceptionV3 to (1, 4, 4, 3): needed (B, 299, 299, 3)",
  );
  assertThrows(
    () => preprocessInception(tensor(gpu, new Float32Array(16), [1, 4, 4])),
    RangeError,
    "needed (B, height, width, 3)",
  );
});

Deno.test("ConvBnRelu gives the same folded and unfolded", async () => {
  const gpu = await testGpu();
  const before = gpu.memory().live;
  {
    const make = () => new ConvBnRelu(5, 8, [3, 1], { padding: [1, 0] });
    const plain = make();
    plain.loadStateDict(
      Object.fromEntries(
        [...plain.namedParameters()].map(([name, { shape }]) => [
          name,
          { shape, data: generatedParameter(name, shape) },
        ]),
      ),
    );
    const folded = make();
    const names = new Map(
      [...folded.namedParameters()].map(([name, p]) => [p, name]),
    );
    const storages = await folded.fold(
      gpu,
      (p) => Promise.resolve(generatedParameter(names.get(p)!, p.shape)),
    );
    using _store = parameters(gpu, plain);
    using _ = gpu.scope();
    const x = tensor(gpu, generated("fold", 2 * 7 * 6 * 5), [2, 7, 6, 5]);
    const a = await noGrad(() => plain.forward(x)).read();
    const b = await noGrad(() => folded.forward(x)).read();
    const error = worstError(b, a);
    assert(error < 1e-6, `off by ${error.toExponential(1)}`);
    assert(Math.max(...Array.from(a)) > 0.5);
    for (const storage of storages) storage.free();
  }
  assertEquals(gpu.memory().live, before);
});
