import { assertEquals, assertThrows } from "@std/assert";
import { AutoencoderKL, DEMO_VAE } from "../../core/encoders/autoencoder_kl.ts";
import {
  DemoFeatureNet,
  isDemoFeatures,
} from "../../core/encoders/demo_features.ts";
import type { WeightSource } from "../../core/encoders/frozen.ts";
import {
  LPIPS_VGG16,
  LpipsBackbone,
  LpipsHeads,
} from "../../core/encoders/lpips.ts";
import { encoders } from "../../core/encoders/mod.ts";
import { openAutoencoder } from "../../core/encoders/open_autoencoder.ts";
import { readState } from "../../core/encoders/frozen.ts";
import {
  readSafetensors,
  toFloat32,
  writeSafetensors,
} from "../../core/formats/safetensors.ts";
import { writeNpz } from "../../core/formats/npy.ts";
import { readWeights } from "../../core/formats/weights.ts";
import type { Module } from "../../core/nn/module.ts";
import { generatedWeights } from "../support/generated_weights.ts";
import { testGpu } from "../support/gpu.ts";

const VAE = "fixtures/weights/demo_vae.safetensors";

/** The same tensors under names that all begin with a prefix, and more. */
function wrapped(
  weights: WeightSource,
  prefix: string,
  others: readonly string[] = [],
): WeightSource {
  const own = (name: string) =>
    name.startsWith(prefix) ? name.slice(prefix.length) : "";
  return {
    names: [...weights.names.map((name) => prefix + name), ...others],
    info: (name) =>
      others.includes(name)
        ? { dtype: "F32", shape: [1] }
        : weights.info(own(name)),
    read: (name) => weights.read(own(name)),
  };
}

/** Two files in one. */
function both(a: WeightSource, b: WeightSource): WeightSource {
  return {
    names: [...a.names, ...b.names],
    info: (name) => a.info(name) ?? b.info(name),
    read: (name) => (a.info(name) === undefined ? b : a).read(name),
  };
}

const PREFIXES = [
  "module.",
  "_orig_mod.",
  "model.",
  "net.",
  "module._orig_mod.model.",
  "any.thing.",
  "ema.",
];

/** Networks with the names that their own files have. */
const networks: Record<string, [Module & Checks, string]> = {
  DemoFeatureNet: [new DemoFeatureNet(), ""],
  AutoencoderKL: [new AutoencoderKL(DEMO_VAE), ""],
  VitS16: [encoders.vit_s16!.create(), ""],
  VJepa2: [encoders.vjepa2!.create(), "encoder."],
  "VJepa2 alone": [encoders.vjepa2!.create(), ""],
  VqganEncoder: [encoders.vq_track!.create(), "encoder."],
  InceptionV3: [encoders.inception_v3!.create(), ""],
  LpipsBackbone: [new LpipsBackbone(LPIPS_VGG16), ""],
  LpipsHeads: [new LpipsHeads(LPIPS_VGG16), ""],
};

interface Checks {
  check(weights: WeightSource): void;
}

for (const [name, [network, own]] of Object.entries(networks)) {
  Deno.test(`findPrefix takes off what wraps ${name}`, () => {
    const weights = generatedWeights(network, own);
    network.check(weights);
    for (const prefix of PREFIXES) {
      network.check(wrapped(weights, prefix));
      if (prefix === "any.thing.") continue;
      network.check(wrapped(weights, prefix, ["n_averaged", "loss.weight"]));
    }
    // Behind another word if it is there once, beside other tensors.
    network.check(wrapped(weights, "backbone.net.", ["head.weight"]));
    const student = wrapped(weights, "student.");
    const teacher = wrapped(weights, "teacher.");
    assertThrows(
      () => network.check(both(student, teacher)),
      TypeError,
      "student.",
    );
    // The network before its average.
    const plain = wrapped(weights, "module.");
    network.check(both(wrapped(weights, "ema."), plain));
  });
}

Deno.test("matchWeights says what is wrong behind a prefix", () => {
  const network = new DemoFeatureNet();
  const weights = generatedWeights(network);
  const names = weights.names.filter((name) => name !== "stem.1.bn.bias");
  assertThrows(
    () =>
      network.check(
        wrapped(
          {
            ...weights,
            names,
            info: (name) =>
              names.includes(name) ? weights.info(name) : undefined,
          },
          "module.",
          [
            "module.more",
          ],
        ),
      ),
    TypeError,
    "missing module.stem.1.bn.bias; surplus module.more",
  );
  // Without one prefix that all of the network has, nothing fits.
  assertThrows(
    () =>
      network.check({
        ...weights,
        names: weights.names.map((name, i) => i % 2 ? name : `module.${name}`),
        info: () => undefined,
      }),
    TypeError,
    "missing",
  );
  // Heads are no more read behind a prefix than without one.
  network.check(wrapped(weights, "module.", ["module.head.weight"]));
});

Deno.test("openAutoencoder, isDemoFeatures and readState look behind prefixes of every format", async () => {
  const gpu = await testGpu();
  using file = await readSafetensors(VAE);
  const folder = `.test/prefix-${crypto.randomUUID()}`;
  await Deno.mkdir(folder, { recursive: true });
  try {
    const arrays: Parameters<typeof writeSafetensors>[1] & object = {};
    for (const name of file.names) {
      const tensor = await file.read(name);
      const { shape } = tensor;
      Object.assign(arrays, {
        [`module._orig_mod.model.${name}`]: { shape, data: toFloat32(tensor) },
      });
    }
    await writeSafetensors(`${folder}/vae.safetensors`, arrays);
    await writeNpz(`${folder}/vae.npz`, arrays);
    for (const path of ["vae.safetensors", "vae.npz"]) {
      using open = await openAutoencoder(gpu, `${folder}/${path}`);
      assertEquals(open.title, "the demo's VAE (0.8 M parameters)");
      using weights = await readWeights(`${folder}/${path}`);
      assertEquals(isDemoFeatures(weights), false);
      const state = await readState(weights, "decoder.conv_in.weight");
      new AutoencoderKL(DEMO_VAE).loadStateDict(state);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  const names = ["module.stem.0.conv.weight"];
  assertEquals(isDemoFeatures({ ...wrapped(file, ""), names }), true);
});
