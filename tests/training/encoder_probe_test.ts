import { assert, assertEquals, assertRejects } from "@std/assert";
import { EncoderProbe } from "../../core/models/encoder_probe.ts";
import {
  type ProbeSettings,
  trainEncoderProbe,
} from "../../core/training/encoder_probe.ts";
import { key } from "../../core/tensor/philox.ts";
import { parameters } from "../../core/nn/parameters.ts";
import { tensor } from "../../core/tensor/create.ts";
import { erf } from "../support/erf.ts";
import { testGpu } from "../support/gpu.ts";

const settings: ProbeSettings = {
  epochs: 12,
  batch: 32,
  lr: 3e-3,
  dropout: 0.1,
  width: 16,
  adapter: "trained",
  seed: 0,
};

const hooks = { checkpoint: ".test/none", digest: "none", progress: () => {} };

/** Embeddings whose first two values are the actions, among others. */
function rows(count: number, width: number, seed: number) {
  const stream = key("rows", seed);
  const values = Float32Array.from(
    { length: count * width },
    (_, i) => stream.normal(i),
  );
  return {
    rows: values,
    width,
    actions: Float32Array.from(
      { length: 2 * count },
      (_, i) => values[Math.floor(i / 2) * width + i % 2]! / 4,
    ),
  };
}

Deno.test("EncoderProbe has the published names and sizes", () => {
  const count = (native: number) => new EncoderProbe({ native }).parameterCount;
  assertEquals(count(384), 99_074);
  assertEquals(count(512), 99_074 + 384 * 512);
  const names = [...new EncoderProbe({ native: 256 }).namedParameters()]
    .map(([name, { shape }]) => `${name} ${shape.join("x")}`);
  assertEquals(names, [
    "adapter.weight 384x256",
    "probe.0.weight 256x384",
    "probe.0.bias 256",
    "probe.3.weight 2x256",
    "probe.3.bias 2",
  ]);
});

Deno.test("EncoderProbe is a linear map, a layer of GELU and a layer, by their float64 definition", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const sizes = { native: 8, width: 12, hidden: 16 };
  const model = new EncoderProbe(sizes);
  using _store = parameters(gpu, model, { seed: 3 });
  const state = await model.stateDict();
  const x = Float32Array.from({ length: 40 }, (_, i) => key("x", 0).normal(i));
  const got = await model.forward(tensor(gpu, x, [5, 8])).read();
  const layer = (rows: number[][], name: string, biasName?: string) => {
    const { shape: [outputs = 0, inputs = 0], data } = state[name]!;
    const bias = biasName === undefined ? undefined : state[biasName]!.data;
    return rows.map((row) =>
      Array.from(
        { length: outputs },
        (_, o) =>
          row.reduce((sum, v, i) => sum + v * data[o * inputs + i]!, 0) +
          (bias?.[o] ?? 0),
      )
    );
  };
  const rows = [0, 1, 2, 3, 4].map((r) => [...x.subarray(8 * r, 8 * r + 8)]);
  const mapped = layer(rows, "adapter.weight");
  const hidden = layer(mapped, "probe.0.weight", "probe.0.bias")
    .map((row) => row.map((v) => v * 0.5 * (1 + erf(v / Math.SQRT2))));
  const wanted = layer(hidden, "probe.3.weight", "probe.3.bias").flat();
  for (const [i, value] of wanted.entries()) {
    assert(Math.abs(Number(got[i]) - value) < 1e-5, `${got[i]}, ${value}`);
  }
});

Deno.test("trainEncoderProbe tells actions of rows it has not seen, by both adapters, the same twice", async () => {
  const gpu = await testGpu();
  const [train, test] = [rows(300, 12, 0), rows(100, 12, 1)];
  for (const adapter of ["trained", "orthogonal"] as const) {
    const path = `.test/probe-${adapter}`;
    await Deno.mkdir(path, { recursive: true });
    const run = async (name: string) => {
      const checkpoint = `${path}/${name}`;
      await Deno.remove(checkpoint).catch(() => {});
      const own = { ...settings, adapter };
      const result = await trainEncoderProbe(gpu, train, [test], own, {
        ...hooks,
        checkpoint,
      });
      return result!;
    };
    const { predictions: [got], curve } = await run("first");
    assertEquals(curve.step.at(-1), 12 * Math.ceil(300 / 32));
    const error = (of: ArrayLike<number>) =>
      test.actions.reduce((sum, y, i) => sum + (of[i]! - y) ** 2, 0);
    const zero = error(new Float32Array(200));
    assert(error(got!) < 0.3 * zero, `${error(got!)} of ${zero}`);
    assertEquals((await run("second")).predictions[0], got);
  }
});

Deno.test("trainEncoderProbe names rows that do not fit", async () => {
  const gpu = await testGpu();
  await assertRejects(
    () =>
      trainEncoderProbe(
        gpu,
        rows(10, 8, 0),
        [{ ...rows(10, 8, 0), actions: new Float32Array(4) }],
        settings,
        hooks,
      ),
    RangeError,
    "Cannot probe 80 numbers in rows of 8 with 2 actions",
  );
});
