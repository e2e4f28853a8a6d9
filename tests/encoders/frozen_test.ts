import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  FrozenLinear,
  loadFrozen,
  readFrozen,
  type WeightSource,
} from "../../core/encoders/frozen.ts";
import {
  findNotFinite,
  type HostTensor,
} from "../../core/formats/safetensors.ts";
import { testGpu } from "../support/gpu.ts";

/** Bytes of a weight (4, 4) by their type, and of a bias of zeros. */
function sourceOf(
  dtype: "F32" | "F64" | "F16" | "BF16",
  values: ArrayBufferView<ArrayBuffer>,
): WeightSource {
  const { buffer, byteOffset, byteLength } = values;
  const tensors: Record<string, HostTensor> = {
    "a.weight": {
      dtype,
      shape: [4, 4],
      bytes: new Uint8Array(buffer, byteOffset, byteLength),
    },
    "a.bias": { dtype: "F32", shape: [4], bytes: new Uint8Array(16) },
  };
  return {
    file: "some.safetensors",
    names: Object.keys(tensors),
    info: (name) => tensors[name],
    read: (name) => Promise.resolve(tensors[name]!),
  };
}

/** Sixteen numbers, the tenth of which is another. */
function sixteen(value: number): number[] {
  return new Array<number>(16).fill(0.5).with(9, value);
}

const BROKEN = {
  "float32": sourceOf("F32", Float32Array.from(sixteen(-Infinity))),
  "float64 beyond float32": sourceOf("F64", Float64Array.from(sixteen(-1e39))),
  "float16": sourceOf("F16", Float16Array.from(sixteen(-Infinity))),
  "bfloat16": sourceOf("BF16", Uint16Array.from(sixteen(0xff80))),
};

for (const [what, weights] of Object.entries(BROKEN)) {
  Deno.test(`loadFrozen refuses ${what} that is not finite, names it and keeps no memory`, async () => {
    const gpu = await testGpu();
    const before = gpu.memory().live;
    const layer = new FrozenLinear(4, 4);
    const message =
      'Cannot load weights of "some.safetensors": value 9 of tensor "a.weight" is -Infinity, needed finite numbers; get the file again';
    await assertRejects(
      () => loadFrozen(gpu, layer, weights, "a."),
      RangeError,
      message,
    );
    await assertRejects(
      () => readFrozen(layer, weights, "a."),
      RangeError,
      message,
    );
    assertEquals(gpu.memory().live, before);
  });
}

Deno.test("loadFrozen refuses values that 16 bits do not hold", async () => {
  const gpu = await testGpu();
  const weights = sourceOf("F32", Float32Array.from(sixteen(70_000)));
  await assertRejects(
    () =>
      loadFrozen(gpu, new FrozenLinear(4, 4), weights, "a.", { half: true }),
    RangeError,
    'Cannot keep tensor "a.weight" as 16-bit floats: value 9 is 70000, they end at 65504; keep 32 bits',
  );
});

Deno.test("findNotFinite finds every kind, and no largest number", () => {
  const largest = [3.4028234663852886e38, -3.4028234663852886e38, 1e-45, -0];
  assertEquals(findNotFinite(Float32Array.from(largest)), -1);
  assertEquals(findNotFinite(Float16Array.of(65504, -65504, 6e-8)), -1);
  for (const value of [NaN, Infinity, -Infinity]) {
    assertEquals(findNotFinite(Float32Array.of(0, 1, value)), 2);
    assertEquals(findNotFinite(Float16Array.of(0, value, value)), 1);
  }
  assertEquals(findNotFinite(new Float32Array(0)), -1);
});

Deno.test("loadStateDict refuses values that are not finite and changes nothing", () => {
  const layer = new FrozenLinear(4, 4);
  const data = new Float32Array(sixteen(NaN));
  assertThrows(
    () =>
      layer.loadStateDict({
        weight: { shape: [4, 4], data },
        bias: { shape: [4], data: new Float32Array(4) },
      }, "some.safetensors"),
    TypeError,
    "Cannot load some.safetensors into FrozenLinear: not finite weight (NaN at 9)",
  );
  assertEquals(layer.bias?.loaded, undefined);
});
