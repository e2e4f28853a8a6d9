import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { DemoFeatureNet } from "../../core/encoders/demo_features.ts";
import type { WeightSource } from "../../core/encoders/frozen.ts";
import {
  demoPerceptual,
  Lpips,
  LPIPS_ALEX,
  LPIPS_VGG16,
  LpipsBackbone,
  type LpipsConfig,
  LpipsHeads,
} from "../../core/encoders/lpips.ts";
import type { Gpu } from "../../core/gpu/gpu.ts";
import { slice } from "../../core/ops/concat.ts";
import { tensor } from "../../core/tensor/create.ts";
import { type Shape, sizeOf } from "../../core/tensor/shape.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { Fixture64 } from "../support/fixture64.ts";
import {
  generatedImages,
  generatedParameter,
  generatedWeights,
  weightsOf,
} from "../support/generated_weights.ts";
import { testGpu } from "../support/gpu.ts";

// PyTorch in float64, by fixtures/torch/perceptual.py.
const fixture = await Fixture64.read("perceptual");

/** Variance of the generated kernels: 2 keeps that of the signal under relu. */
const GAIN = 2;

/** An eighth of the channels. */
function reduced(config: LpipsConfig): LpipsConfig {
  return {
    ...config,
    stages: config.stages.map((stage) => ({
      ...stage,
      convolutions: stage.convolutions.map((convolution) => ({
        ...convolution,
        outputs: convolution.outputs / 8,
      })),
    })),
  };
}

/** Generated heads, not negative, as published: (1, C, 1, 1). */
function headsOf(config: LpipsConfig): WeightSource {
  const heads = new LpipsHeads(config);
  return weightsOf(
    Object.fromEntries(
      [...heads.namedParameters()].map(([name, { shape }]) => [name, {
        shape: [...shape, 1, 1],
        data: generatedParameter(name, shape).map(Math.abs),
      }]),
    ),
  );
}

function trunkOf(config: LpipsConfig): WeightSource {
  return generatedWeights(new LpipsBackbone(config), "", GAIN);
}

function pairOn(gpu: Gpu, name: string, shape: Shape): [Tensor, Tensor] {
  const image = (side: string) =>
    tensor(gpu, generatedImages(`${name} ${side}`, sizeOf(shape)), shape);
  return [image("a"), image("b")];
}

/** Files under other names, each from one of several. */
function named(
  of: WeightSource,
  rename: (name: string) => string,
  ...more: readonly WeightSource[]
): WeightSource {
  const places = new Map<string, () => [WeightSource, string]>();
  for (const name of of.names) places.set(rename(name), () => [of, name]);
  for (const file of more) {
    for (const name of file.names) places.set(name, () => [file, name]);
  }
  return {
    names: [...places.keys()],
    info(name) {
      const [file, own] = places.get(name)?.() ?? [];
      return file?.info(own!);
    },
    read(name) {
      const [file, own] = places.get(name)!();
      return file.read(own);
    },
  };
}

for (
  const [name, config, shape] of [
    ["alex small", reduced(LPIPS_ALEX), [3, 64, 64, 3]],
    ["alex full", LPIPS_ALEX, [2, 47, 70, 3]],
    ["vgg small", reduced(LPIPS_VGG16), [3, 40, 64, 3]],
    ["vgg full", LPIPS_VGG16, [2, 33, 32, 3]],
  ] as const
) {
  Deno.test(`Lpips agrees with PyTorch: ${name}, ${shape.join("x")}`, async () => {
    const gpu = await testGpu();
    const before = gpu.memory().live;
    {
      using model = new Lpips(config);
      await model.load(gpu, trunkOf(config), headsOf(config));
      using _ = gpu.scope();
      const [a, b] = pairOn(gpu, name, shape);
      const got = model.distance(a, b);
      assertEquals(got.shape, [shape[0]]);
      const values = [...await got.read() as Float32Array];
      fixture.assertClose(values, name, 2e-6); // measured 2.4e-7
      // Symmetric, 0 for equal images, the same in any batch.
      assertEquals([...await model.distance(b, a).read()], values);
      const same = await model.distance(a, a).read();
      assertEquals([...same], values.map(() => 0));
      const last = [a, b].map((x) => slice(x, 0, 1, 2)) as [Tensor, Tensor];
      const one = await model.distance(...last).read();
      assertEquals(one[0], values[1]);
    }
    assertEquals(gpu.memory().live, before);
  });
}

Deno.test("Lpips has the published names, shapes and numbers of parameters", () => {
  const alex = new Lpips();
  assertEquals(alex.net.parameterCount, 2_469_696);
  assertEquals(alex.heads.parameterCount, 64 + 192 + 384 + 256 + 256);
  const vgg = new Lpips(LPIPS_VGG16);
  assertEquals(vgg.net.parameterCount, 14_714_688);
  const shapes = (model: LpipsBackbone) =>
    Object.fromEntries(
      [...model.namedParameters()].map(([name, { shape }]) => [name, shape]),
    );
  const own = shapes(alex.net);
  assertEquals(
    Object.keys(own).filter((name) => name.endsWith("weight")),
    [0, 3, 6, 8, 10].map((at) => `features.${at}.weight`),
  );
  assertEquals(own["features.0.weight"], [64, 3, 11, 11]);
  assertEquals(own["features.3.weight"], [192, 64, 5, 5]);
  assertEquals(
    Object.keys(shapes(vgg.net)).filter((name) => name.endsWith("bias")),
    [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
      .map((at) => `features.${at}.bias`),
  );
});

Deno.test("Lpips reads torchvision's and lpips' names, merged, wrapped and inside a checkpoint", async () => {
  const gpu = await testGpu();
  const config = reduced(LPIPS_ALEX);
  const [trunk, heads] = [trunkOf(config), headsOf(config)];
  const slices = ["0", "3", "6", "8", "10"];
  const lpipsName = (name: string) => {
    const [, at = "", kind] = name.split(".");
    return `net.slice${slices.indexOf(at) + 1}.${at}.${kind}`;
  };
  const value = { shape: [1, 3, 1, 1], data: new Float32Array(3) };
  const constants = weightsOf({
    "scaling_layer.shift": value,
    "scaling_layer.scale": value,
  });
  const duplicates = named(
    heads,
    (name) => name.replace(/^lin(\d)/, "lins.$1"),
  );
  const merged = named(trunk, lpipsName, heads, duplicates, constants);
  const classifier = weightsOf({ "classifier.1.weight": value });
  const prefixed = (file: WeightSource, prefix: string) =>
    named(file, (name) => prefix + name);
  const files: Record<string, [WeightSource, WeightSource?]> = {
    "torchvision": [named(trunk, (name) => name, classifier), heads],
    "wrapped": [prefixed(trunk, "module."), prefixed(heads, "module.")],
    "merged": [merged],
    "wrapped and merged": [prefixed(merged, "module.")],
    "in a checkpoint": [
      named(
        prefixed(merged, "loss.perceptual_loss."),
        (name) => name,
        weightsOf({ "encoder.conv_in.weight": value }),
      ),
    ],
    "convolutions of one, heads of another": [trunk, merged],
  };
  using model = new Lpips(config);
  for (const [name, [weights, own]] of Object.entries(files)) {
    model.check(weights, own);
    await model.load(gpu, weights, own);
    using _ = gpu.scope();
    const pair = pairOn(gpu, "alex small", [3, 64, 64, 3]);
    const got = await model.distance(...pair).read() as Float32Array;
    assert(got[0]! > 0, name);
    fixture.assertClose(got, "alex small", 2e-6);
  }
});

Deno.test("Lpips refuses other files, sizes and shapes", async () => {
  const gpu = await testGpu();
  using model = new Lpips();
  const [alex, vgg] = [trunkOf(LPIPS_ALEX), trunkOf(LPIPS_VGG16)];
  await assertRejects(
    () => model.load(gpu, alex),
    TypeError,
    'Cannot load weights into the linear heads of LPIPS: their names look like AlexNet or another VGG (torchvision), needed "lin0.model.1.weight" (lpips, torchmetrics)',
  );
  assertThrows(
    () => model.check(vgg, headsOf(LPIPS_ALEX)),
    TypeError,
    "the names look like VGG16 (torchvision)",
  );
  assertThrows(
    () => model.check(alex, headsOf(LPIPS_VGG16)),
    TypeError,
    "misshaped lin1.model.1.weight is (1, 128, 1, 1), needed (1, 192)",
  );
  assertThrows(
    () => model.check(headsOf(LPIPS_ALEX)),
    TypeError,
    "AlexNet of LPIPS: their names look like the linear heads of LPIPS",
  );
  using _ = gpu.scope();
  const zeros = (...shape: number[]) =>
    tensor(gpu, new Float32Array(sizeOf(shape)), shape);
  assertThrows(
    () => model.distance(zeros(1, 64, 64, 3), zeros(2, 64, 64, 3)),
    RangeError,
    "(1, 64, 64, 3) and (2, 64, 64, 3): needed equal shapes",
  );
  assertThrows(
    () => model.distance(zeros(1, 64, 64, 4), zeros(1, 64, 64, 4)),
    RangeError,
    "needed (B, height, width, 3)",
  );
  assertThrows(
    () => model.distance(zeros(1, 30, 64, 3), zeros(1, 30, 64, 3)),
    RangeError,
    "at least 31 pixels",
  );
});

for (const config of [reduced(LPIPS_ALEX), reduced(LPIPS_VGG16)]) {
  Deno.test(`Lpips takes the smallest images of ${config.network}`, async () => {
    const gpu = await testGpu();
    using model = new Lpips(config);
    await model.load(gpu, trunkOf(config), headsOf(config));
    using _ = gpu.scope();
    const side = config.leastSide;
    const [a, b] = pairOn(gpu, "least", [1, side, side, 3]);
    assert((await model.distance(a, b).read())[0]! > 0);
  });
}

Deno.test("demoPerceptual agrees with PyTorch, and is 0 for equal images", async () => {
  const gpu = await testGpu();
  const before = gpu.memory().live;
  {
    using network = new DemoFeatureNet();
    await network.load(gpu, generatedWeights(network, "", GAIN));
    using _ = gpu.scope();
    const [a, b] = pairOn(gpu, "demo", [3, 64, 64, 3]);
    const got = await demoPerceptual(network, a, b).read() as Float32Array;
    fixture.assertClose(got, "demo", 2e-6); // measured 6.8e-8
    const same = await demoPerceptual(network, a, a).read();
    assertEquals([...same], [0, 0, 0]);
    assertThrows(
      () => demoPerceptual(network, a, slice(b, 0, 0, 1)),
      RangeError,
      "needed equal shapes",
    );
  }
  assertEquals(gpu.memory().live, before);
});
