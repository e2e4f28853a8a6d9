import { guessNetwork } from "../../core/encoders/known_names.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { CLIP_B32, ClipVitB32 } from "../../core/encoders/clip_b32.ts";
import {
  DINOV2_S14,
  DinoV2S14,
  interpolatePositions,
} from "../../core/encoders/dinov2_s14.ts";
import type { Encoder } from "../../core/encoders/encoder.ts";
import { loadFrozen, type WeightSource } from "../../core/encoders/frozen.ts";
import type { Vit, VitConfig } from "../../core/encoders/vit.ts";
import { VIT_S16, VitS16 } from "../../core/encoders/vit_s16.ts";
import type { Gpu } from "../../core/gpu/gpu.ts";
import type { StateDict, StateEntry } from "../../core/nn/module.ts";
import { type Shape, sizeOf } from "../../core/tensor/shape.ts";
import { slice } from "../../core/ops/mod.ts";
import { tensor } from "../../core/tensor/create.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { worstError } from "../support/array64.ts";
import { readFixture, withPrefix } from "../support/fixture.ts";
import {
  generatedImages,
  generatedParameter,
  weightsOf,
} from "../support/generated_weights.ts";
import { testGpu } from "../support/gpu.ts";

/** float32 against float64; measured 1.9e-6. */
const TOLERANCE = 1e-5;
/** Matrices rounded to 11 bits; measured 9.0e-4. */
const HALF_TOLERANCE = 5e-3;

const SIZES = { hidden: 32, layers: 2, heads: 2, mlp: 64 };
const SMALL_VIT: VitConfig = { ...VIT_S16, ...SIZES, patch: 8, inputSize: 48 };
const SMALL_CLIP: VitConfig = {
  ...CLIP_B32,
  ...SIZES,
  patch: 8,
  inputSize: 24,
  projection: 20,
};

function smallDino(inputSize: number): DinoV2S14 {
  return new DinoV2S14({
    ...DINOV2_S14,
    ...SIZES,
    patch: 7,
    inputSize,
    positions: 9,
  });
}

function framesOn(gpu: Gpu, side: number, batch = 3): Tensor {
  const name = side === 224 ? "frame 224" : `frames ${side}`;
  const data = generatedImages(name, batch * side * side * 3);
  return tensor(gpu, data, [batch, side, side, 3]);
}

async function assertClose(
  what: string,
  got: Tensor,
  wanted: ArrayLike<number>,
  tolerance = TOLERANCE,
): Promise<void> {
  const error = worstError(await got.read(), wanted);
  assert(error < tolerance, `${what} is off by ${error.toExponential(1)}`);
}

interface SmallCase {
  readonly make: () => Vit;
  readonly fixture: string;
  readonly suffix: string;
  readonly side: number;
}

const SMALL: Record<string, SmallCase> = {
  VitS16: {
    make: () => new VitS16(SMALL_VIT),
    fixture: "vit_small",
    suffix: "",
    side: 48,
  },
  ...Object.fromEntries([42, 35, 63].map((side): [string, SmallCase] => [
    `DinoV2S14 at ${side} pixels`,
    {
      make: () => smallDino(side),
      fixture: "dinov2_small",
      suffix: ` ${side}`,
      side,
    },
  ])),
  ClipVitB32: {
    make: () => new ClipVitB32(SMALL_CLIP),
    fixture: "clip_small",
    suffix: "",
    side: 24,
  },
};

for (const [name, { make, fixture, suffix, side }] of Object.entries(SMALL)) {
  Deno.test(`${name} agrees with PyTorch on 3 frames and on 1`, async () => {
    const gpu = await testGpu();
    const values = await readFixture(fixture);
    const before = gpu.memory().live;
    {
      using model: Encoder & Vit = make();
      await model.load(gpu, weightsOf(withPrefix(values, "state.")));
      using _ = gpu.scope();
      const frames = framesOn(gpu, side);
      const wanted = values[`y${suffix}`]!.data;
      const rows = model.encode(frames);
      assertEquals(rows.shape, [3, model.width]);
      await assertClose("embedding", rows, wanted);
      const one = model.encode(slice(frames, 0, 1, 2));
      const own = wanted.slice(model.width, 2 * model.width);
      await assertClose("embedding of one", one, own);
      const cells = values[`cells${suffix}`];
      if (cells !== undefined) {
        const tokens = model.spatialTokens(frames);
        assertEquals(tokens.shape, cells.shape);
        await assertClose("tokens", tokens, cells.data);
      }
      await model.load(
        gpu,
        weightsOf(withPrefix(values, "state.")),
        { half: true },
      );
      const half = model.encode(frames);
      await assertClose("half", half, wanted, HALF_TOLERANCE);
      assert(worstError(await half.read(), await rows.read()) > 1e-6);
    }
    assertEquals(gpu.memory().live, before);
  });
}

Deno.test("interpolatePositions agrees with PyTorch's bicubic, down, far down and not at all", async () => {
  const values = await readFixture("dinov2_small");
  const learned = values["state.pos_embed"]!.data;
  for (const side of [42, 35, 63]) {
    const got = interpolatePositions(learned, 9, side / 7);
    const error = worstError(got, values[`pos ${side}`]!.data);
    // The file holds the result in float32.
    assert(error < 2e-7, `${side} is off by ${error.toExponential(1)}`);
  }
  assertThrows(
    () => interpolatePositions(new Float32Array(81), 9, 6),
    RangeError,
    "no class token and 9x9 grid",
  );
});

/** Generated weights under the module's names, some with a file's shape. */
function published(
  model: Vit,
  shapes: Readonly<Record<string, Shape>> = {},
): WeightSource {
  const all = new Map(
    [...model.namedParameters()].map(([name, { shape }]) => [
      name,
      shapes[name] ?? shape,
    ]),
  );
  return {
    names: [...all.keys()],
    info(name) {
      const shape = all.get(name);
      return shape && { dtype: "F32", shape };
    },
    read(name) {
      const shape = all.get(name)!;
      const bytes = new Uint8Array(generatedParameter(name, shape).buffer);
      return Promise.resolve({ dtype: "F32", shape, bytes });
    },
  };
}

/** Every seventh token from the first. */
async function sparse(tokens: Tensor): Promise<number[]> {
  const [, count = 0, width = 0] = tokens.shape;
  const all = Float32Array.from(await tokens.read());
  const part: number[] = [];
  for (let token = 0; token < count; token += 7) {
    part.push(...all.subarray(width * token, width * (token + 1)));
  }
  return part;
}

Deno.test("VitS16 agrees with PyTorch at full width", async () => {
  const gpu = await testGpu();
  const fixture = await readFixture("vit_full");
  using model = new VitS16();
  await model.load(gpu, published(model));
  using _ = gpu.scope();
  const frame = framesOn(gpu, 224, 1);
  await assertClose("embedding", model.encode(frame), fixture["vit"]!.data);
  const tokens = model.spatialTokens(frame);
  assertEquals(tokens.shape, [1, 49, 384]);
  const error = worstError(await sparse(tokens), fixture["vit cells"]!.data);
  assert(error < TOLERANCE, `tokens are off by ${error.toExponential(1)}`);
});

Deno.test("DinoV2S14 agrees with PyTorch at full width", async () => {
  const gpu = await testGpu();
  const fixture = await readFixture("vit_full");
  using model = new DinoV2S14();
  await model.load(gpu, published(model, { pos_embed: [1, 1370, 384] }));
  using _ = gpu.scope();
  const frame = framesOn(gpu, 224, 1);
  await assertClose("embedding", model.encode(frame), fixture["dinov2"]!.data);
  const tokens = model.spatialTokens(frame);
  assertEquals(tokens.shape, [1, 64, 384]);
  const error = worstError(
    await sparse(tokens),
    fixture["dinov2 cells"]!.data,
  );
  assert(error < TOLERANCE, `tokens are off by ${error.toExponential(1)}`);
});

Deno.test("ClipVitB32 agrees with PyTorch at full width", async () => {
  const gpu = await testGpu();
  const fixture = await readFixture("vit_full");
  const model = new ClipVitB32();
  using _weights = await loadFrozen(gpu, model, published(model), "");
  using _ = gpu.scope();
  const frame = framesOn(gpu, 224, 1);
  await assertClose("embedding", model.encode(frame), fixture["clip"]!.data);
});

/** Splits a fused projection into its queries, keys and values. */
function split({ shape, data }: StateEntry): StateEntry[] {
  const [rows = 0, ...rest] = shape;
  const length = data.length / 3;
  return [0, 1, 2].map((i) => ({
    shape: [rows / 3, ...rest],
    data: data.slice(i * length, (i + 1) * length),
  }));
}

/** DINOv2's hub names to those of Hugging Face. */
function dinoForHuggingFace(state: StateDict): StateDict {
  const result: Record<string, StateEntry> = {};
  const put = (name: string, entry: StateEntry) => result[name] = entry;
  for (const [name, entry] of Object.entries(state)) {
    const block = name.match(/^blocks\.(\d+)\.(.*)$/);
    if (block === null) {
      const names: Readonly<Record<string, string>> = {
        "cls_token": "embeddings.cls_token",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj.weight":
          "embeddings.patch_embeddings.projection.weight",
        "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
        "norm.weight": "layernorm.weight",
        "norm.bias": "layernorm.bias",
      };
      put(names[name]!, entry);
      continue;
    }
    const layer = `encoder.layer.${block[1]}`;
    const rest = block[2]!;
    const kind = rest.split(".").at(-1);
    if (rest.startsWith("attn.qkv")) {
      const parts = split(entry);
      ["query", "key", "value"].forEach((part, i) =>
        put(`${layer}.attention.attention.${part}.${kind}`, parts[i]!)
      );
    } else if (rest.startsWith("attn.proj")) {
      put(`${layer}.attention.output.dense.${kind}`, entry);
    } else if (/^ls[12]/.test(rest)) {
      put(`${layer}.layer_scale${rest[2]}.lambda1`, entry);
    } else put(`${layer}.${rest}`, entry);
  }
  put("embeddings.mask_token", { shape: [1, 2], data: new Float32Array(2) });
  return result;
}

/** OpenAI's names to those of Hugging Face. */
function clipForHuggingFace(state: StateDict): StateDict {
  const result: Record<string, StateEntry> = {};
  const put = (name: string, entry: StateEntry) => result[name] = entry;
  const embeddings = "vision_model.embeddings";
  for (const [name, entry] of Object.entries(state)) {
    const block = name.match(/^visual\.transformer\.resblocks\.(\d+)\.(.*)$/);
    if (block === null) {
      const names: Readonly<Record<string, string>> = {
        "visual.class_embedding": `${embeddings}.class_embedding`,
        "visual.positional_embedding":
          `${embeddings}.position_embedding.weight`,
        "visual.conv1.weight": `${embeddings}.patch_embedding.weight`,
        "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
        "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
        "visual.ln_post.weight": "vision_model.post_layernorm.weight",
        "visual.ln_post.bias": "vision_model.post_layernorm.bias",
      };
      if (name !== "visual.proj") put(names[name]!, entry);
      else {
        const [rows = 0, columns = 0] = entry.shape;
        const data = new Float32Array(sizeOf(entry.shape));
        for (let i = 0; i < data.length; i++) {
          data[i] = entry.data[(i % rows) * columns + Math.floor(i / rows)]!;
        }
        put("visual_projection.weight", { shape: [columns, rows], data });
      }
      continue;
    }
    const layer = `vision_model.encoder.layers.${block[1]}`;
    const rest = block[2]!;
    const kind = rest.split(/[._]/).at(-1);
    if (rest.startsWith("attn.in_proj")) {
      const parts = split(entry);
      ["q", "k", "v"].forEach((part, i) =>
        put(`${layer}.self_attn.${part}_proj.${kind}`, parts[i]!)
      );
    } else {
      const own = rest.replace("attn.", "self_attn.")
        .replace("ln_", "layer_norm")
        .replace("c_fc", "fc1").replace("c_proj", "fc2");
      put(`${layer}.${own}`, entry);
    }
  }
  const one = { shape: [], data: new Float32Array(1) };
  put("logit_scale", one);
  put("text_model.final_layer_norm.bias", one);
  return result;
}

Deno.test("DinoV2S14 and ClipVitB32 give equal bits from all public namings", async () => {
  const gpu = await testGpu();
  const dino = withPrefix(await readFixture("dinov2_small"), "state.");
  const clip = withPrefix(await readFixture("clip_small"), "state.");
  const one = { shape: [], data: new Float32Array(1) };
  const cases: [Vit, number, StateDict[]][] = [
    [smallDino(42), 42, [
      dino,
      { ...dino, mask_token: one },
      dinoForHuggingFace(dino),
    ]],
    [new ClipVitB32(SMALL_CLIP), 24, [
      clip,
      { ...clip, "logit_scale": one, "transformer.resblocks.0.x": one },
      withPrefix(clip, "visual."),
      clipForHuggingFace(clip),
    ]],
  ];
  for (const [model, side, files] of cases) {
    using _model = model;
    using _ = gpu.scope();
    const frames = framesOn(gpu, side);
    let first: Awaited<ReturnType<Tensor["read"]>> | undefined;
    for (const file of files) {
      await model.load(gpu, weightsOf(file));
      const got = await model.encode(frames).read();
      first ??= got;
      assertEquals(got, first);
    }
  }
});

Deno.test("VitS16, DinoV2S14 and ClipVitB32 have the published numbers of parameters", () => {
  assertEquals(new VitS16().parameterCount, 21_665_664);
  // The file's positions and mask token, less the interpolated positions.
  const surplus = (1370 - 257) * 384 + 384;
  assertEquals(new DinoV2S14().parameterCount, 22_056_576 - surplus);
  assertEquals(new ClipVitB32().parameterCount, 87_849_216);
  const encoders: Encoder[] = [new VitS16(), new DinoV2S14(), new ClipVitB32()];
  assertEquals(
    encoders.map(({ name, width, inputSize }) => [name, width, inputSize]),
    [["vit_s16", 384, 224], ["dino_vits14", 384, 224], ["clip_b32", 512, 224]],
  );
});

Deno.test("VitS16 refuses files of other networks, saying which, and other frames", async () => {
  const gpu = await testGpu();
  using model = new VitS16(SMALL_VIT);
  const clip = withPrefix(await readFixture("clip_small"), "state.");
  const dino = withPrefix(await readFixture("dinov2_small"), "state.");
  await assertRejects(
    () => model.load(gpu, weightsOf(clip)),
    TypeError,
    'Cannot load weights into VitS16: their names look like CLIP (OpenAI, open_clip), needed "blocks.0.attn.qkv.weight" (timm)',
  );
  await assertRejects(
    () => model.load(gpu, weightsOf(clipForHuggingFace(clip))),
    TypeError,
    "look like CLIP (Hugging Face)",
  );
  await assertRejects(
    () => model.load(gpu, weightsOf({ x: { ...clip["visual.proj"]! } })),
    TypeError,
    "look like no known network (x, ...)",
  );
  // DINOv2 shares timm's names but for the layer scales.
  const error = await assertRejects(
    () => model.load(gpu, weightsOf(dino)),
    TypeError,
    "surplus blocks.0.ls1.gamma, ",
  );
  assert(
    error.message.includes("pos_embed is (1, 82, 32), needed (1, 37, 32)"),
  );
  assert(error.message.endsWith("the names look like DINOv2"));
  const other = new ClipVitB32(SMALL_CLIP);
  const damaged = { ...clipForHuggingFace(clip) };
  const gone = "vision_model.encoder.layers.1.self_attn.k_proj.bias";
  delete damaged[gone];
  await assertRejects(
    () => other.load(gpu, weightsOf(damaged)),
    TypeError,
    `Cannot load weights into ClipVitB32: missing ${gone}`,
  );
  assertThrows(
    () => new VitS16({ ...SMALL_VIT, heads: 3 }),
    RangeError,
    "width 32 must split into 3 heads",
  );
  using _ = gpu.scope();
  assertThrows(
    () => model.encode(framesOn(gpu, 24)),
    RangeError,
    "Cannot encode (3, 24, 24, 3) with VitS16: needed (B, 48, 48, 3)",
  );
});

Deno.test("guessNetwork tells published networks apart by names", () => {
  const cases: [string, string][] = [
    ["blocks.3.ls1.gamma", "DINOv2"],
    ["encoder.layer.0.layer_scale1.lambda1", "DINOv2 (Hugging Face)"],
    ["visual.class_embedding", "CLIP (OpenAI, open_clip)"],
    ["vision_model.pre_layrnorm.weight", "CLIP (Hugging Face)"],
    ["decoder.up_blocks.0.resnets.0.norm1.bias", "the Stable Diffusion VAE"],
    ["quantize.embedding.weight", "VQGAN"],
    ["encoder.layer.0.attention.query.weight", "V-JEPA 2"],
    ["Mixed_7c.branch_pool.conv.weight", "Inception-v3"],
    ["stem.0.conv.weight", "the demo's feature network"],
    ["blocks.0.attn.qkv.weight", "a ViT (timm)"],
  ];
  for (const [name, network] of cases) {
    assertEquals(guessNetwork(["x", name]), network);
  }
  assertEquals(guessNetwork(["x"]), undefined);
});
