import { assert, assertEquals, assertRejects } from "@std/assert";
import { readWeights } from "../../core/formats/weights.ts";
import { toFloat32, writeSafetensors } from "../../core/formats/safetensors.ts";
import type { StateEntry } from "../../core/nn/module.ts";
import { noGrad } from "../../core/tensor/autograd.ts";
import { tensor } from "../../core/tensor/create.ts";
import {
  type PublishedOptions,
  readPublishedModel,
} from "../../core/training/published.ts";
import { readFixture } from "../support/fixture.ts";
import { testGpu } from "../support/gpu.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

const pathOf = (name: string) =>
  new URL(`../../fixtures/torch/published/${name}.pt`, import.meta.url);

const SIZES = { horizon: 3, tokens: 6, patchDim: 16, patch: 2, dim: 8 };

const CASES = {
  diffusion: { objective: "x0", sizes: { ...SIZES, blocks: 2 } },
  direct: { objective: "direct", sizes: { ...SIZES, blocks: 1 } },
  mlp: { objective: "direct", sizes: { patchDim: 16, patch: 2, dim: 8 } },
} as const;

for (const name of ["diffusion", "direct", "mlp"] as const) {
  // PyTorch 1.13 computed in float64 from float32 weights; here it is float32.
  Deno.test(`readPublishedModel: ${name} predicts as in PyTorch by the weights asked for`, async () => {
    const gpu = await testGpu();
    const fixture = await readFixture(`published/${name}`);
    const at = (name: string) => {
      const { shape, data } = fixture[name]!;
      return tensor(gpu, data).reshape(shape);
    };
    const choices: [string, PublishedOptions][] = [
      ["last", { weights: "last" }],
      ["average", { weights: "average" }],
      ["mixed", { weights: "average", fourierWeights: "last" }],
    ];
    const outputs: Float32Array[] = [];
    for (const [choice, options] of choices) {
      if (fixture[choice] === undefined) continue;
      using _ = gpu.scope();
      using read = await readPublishedModel(gpu, pathOf(name), options);
      const { model, statistics, sizes } = read;
      assertEquals(model.objective, CASES[name].objective);
      assertEquals<unknown>(sizes, { ...CASES[name].sizes, frequencies: 4 });
      assertEquals(statistics.mean, fixture.z_mean!.data);
      assertEquals(statistics.std, fixture.z_std!.data);
      const features = tensor(
        gpu,
        model.fourier.features(fixture.actions!.data),
      ).reshape([2, 3, 16]);
      const present = at("present");
      const y = name !== "diffusion"
        ? model.predict({ present, features })
        : noGrad(() =>
          model.network.forward({
            present,
            actions: model.fourier.forward(features),
            noised: { x: at("x"), t: [...fixture.steps!.data] },
          })
        );
      const got = await y.read() as Float32Array;
      const wanted = fixture[choice]!.data;
      const error = Math.max(
        ...got.map((value, i) => Math.abs(value - wanted[i]!)),
      );
      // Measured 1e-6; the choices differ by more than 1e-2.
      assert(error < 2e-5, `${choice}: error ${error}`);
      outputs.push(got);
    }
    assertEquals(outputs.length, name === "mlp" ? 1 : 3);
    const [last, ...others] = outputs as [Float32Array];
    for (const other of others as Float32Array[]) {
      assert(other.some((value, i) => Math.abs(value - last[i]!) > 1e-2));
    }
  });
}

/** Tensors of a checkpoint by their paths, changed. */
async function changed(
  name: string,
  change: (tensors: Record<string, StateEntry>) => void,
): Promise<Record<string, StateEntry>> {
  using file = await readWeights(pathOf(name), { root: "" });
  const tensors: Record<string, StateEntry> = {};
  for (const field of file.names) {
    const value = await file.read(field);
    tensors[field] = { shape: value.shape, data: toFloat32(value) };
  }
  change(tensors);
  return tensors;
}

Deno.test("readPublishedModel says in one line what was got and what is needed", async () => {
  const gpu = await testGpu();
  using folder = tinyFolder();
  const path = `${folder.path}/changed.safetensors`;
  const zeros = (...shape: number[]) => ({
    shape,
    data: new Float32Array(shape.reduce((n, length) => n * length, 1)),
  });
  const cases: {
    of?: string;
    change?: (tensors: Record<string, StateEntry>) => void;
    metadata?: Record<string, string>;
    options?: Partial<PublishedOptions>;
    message: string;
  }[] = [
    {
      options: { needed: { horizon: 16, tokens: 6, patch: 4 } },
      message:
        `Cannot use the world model of "${path}": horizon is 3, needed 16; patch is 2, needed 4`,
    },
    { of: "mlp", message: 'it has no "ema"; ask for the last ones' },
    {
      change: (t) => delete t["dit.spatial_pos"],
      message:
        "no dit.spatial_pos; it has dit, fourier, ema, z_mean, z_std, needed dit (the transformer or the MLP), fourier, z_mean, z_std",
    },
    {
      change: (t) => {
        for (const field of Object.keys(t)) delete t[field];
        t["dit_state_dict.net"] = zeros(2);
      },
      message: "it has dit_state_dict, needed dit (the transformer or the MLP)",
    },
    {
      change: (t) => t["dit.temporal_pos"] = zeros(3, 8),
      message: "dit.temporal_pos is (3, 8), needed (1, H, D)",
    },
    {
      change: (t) => t["dit.blocks.0.mlp.0.bias"] = zeros(31),
      options: { weights: "last" },
      message:
        `Cannot load "dit" of "${path}" into AnchoredVAEDiT: misshaped blocks.0.mlp.0.bias is (31), needed (32)`,
    },
    {
      change: (t) => delete t["ema.proj.0.bias"],
      message:
        `Cannot load the averages of "${path}" into FourierActionEmbedding: missing proj.0.bias`,
    },
    {
      change: (t) => t["ema.final_linear.bias"]!.data[3] = NaN,
      message: "not finite final_linear.bias (NaN at 3)",
    },
    {
      change: (t) => t["z_mean"] = zeros(15),
      message: "z_mean has 15 values, needed 16 finite ones",
    },
    {
      change: (t) => t["z_std"]!.data[7] = 0,
      message: "z_std has the value 0, needed 16 finite positive ones",
    },
    {
      options: { heads: 3 },
      message: "its width 8 has no 3 equal heads; give the number of heads",
    },
    {
      metadata: { mode: "diffusion" },
      options: { objective: "direct" },
      message: 'its mode is "diffusion", needed "direct"',
    },
    {
      metadata: { mode: "direct" },
      options: { objective: "v" },
      message: 'its mode is "direct", needed "diffusion", for objective "v"',
    },
    {
      metadata: { mode: "flow" },
      message:
        'its mode is "flow", needed "direct" or "diffusion"; say the objective',
    },
    {
      metadata: { n_jump: "4", mode: "direct" },
      message: "it is a jump model of 4 jumps",
    },
    {
      of: "mlp",
      options: { weights: "last", objective: "x0" },
      message: 'PatchMLPPredictor with objective "x0": it takes no noised',
    },
  ];
  for (
    const { of = "diffusion", change, metadata, options, message } of cases
  ) {
    await writeSafetensors(
      path,
      await changed(of, change ?? (() => {})),
      metadata,
    );
    const error = await assertRejects(() =>
      readPublishedModel(gpu, path, { weights: "average", ...options })
    );
    assert(
      error instanceof Error && error.message.includes(message),
      `${error}`,
    );
    assertEquals(error.message.split("\n").length, 1);
  }
});
