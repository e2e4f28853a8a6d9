import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ceilDiv, flatGrid } from "../../core/gpu/grid.ts";
import { setKnobs } from "../../core/gpu/knobs.ts";
import { defineShader, reflect } from "../../core/gpu/shader.ts";
import {
  add,
  div,
  empty,
  exp,
  full,
  Gpu,
  log,
  matmul,
  mul,
  tensor,
  zeros,
} from "../../mod.ts";
import { testGpu } from "../support/gpu.ts";

Deno.test("flatGrid spreads past 65,535 workgroups", () => {
  assertEquals(flatGrid(65_535), [65_535, 1]);
  assertEquals(flatGrid(65_536), [65_535, 2]);
  assertEquals(ceilDiv(9, 4), 3);
});

Deno.test("setKnobs replaces marked values and refuses unknown names", () => {
  const source =
    "const TILE: u32 = 4u; // knob: 4 or 8\nalias Elem = f32; // knob: f32 or f16";
  assertEquals(
    setKnobs("x", source, { TILE: 8, Elem: "f16" }),
    "enable f16;\nconst TILE: u32 = 8u; // knob: 4 or 8\nalias Elem = f16; // knob: f32 or f16",
  );
  assertThrows(
    () => setKnobs("matmul", source, { TILE_X: 1 }),
    TypeError,
    'Cannot set knob "TILE_X" of shader "matmul": it has TILE, Elem',
  );
});

Deno.test("reflect refuses params that are no 4-byte scalars", () => {
  const source =
    "struct Params {\n  a: vec2f,\n}\n@compute @workgroup_size(1)\nfn run() {}";
  assertThrows(
    () => reflect("x", source),
    SyntaxError,
    'Cannot read struct Params of shader "x"',
  );
  assertThrows(
    () => reflect("y", "fn f() {}"),
    SyntaxError,
    "no compute entry",
  );
});

const PLAIN = `
struct Params {
  n: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1)
fn run() {
  y[0] = f32(params.n);
}`;

Deno.test("Shader names what it has when a name is wrong", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const shader = defineShader("plain", [PLAIN]);
  const y = zeros(gpu, [1]);
  const run = (entry: string, bindings: object, params: object) => () =>
    shader.run(
      entry,
      bindings as Record<string, typeof y>,
      params as Record<string, number>,
      [1],
    );
  assertThrows(run("go", { y }, { n: 1 }), TypeError, "its entries are run");
  assertThrows(run("run", { x: y }, { n: 1 }), TypeError, "it has params, y");
  assertThrows(run("run", { y }, {}), TypeError, 'param "n" is missing');
  assertThrows(run("run", { y }, { n: 1, m: 2 }), TypeError, 'no param "m"');
  shader.run("run", { y }, { n: 7 }, [1]);
  assertEquals(await y.item(), 7);
});

Deno.test("a shader that does not compile is named at the next read", async () => {
  using gpu = await Gpu.open();
  const broken = defineShader("broken", [
    PLAIN.replace("f32(params.n)", "nil"),
  ]);
  const y = zeros(gpu, [1]);
  broken.run("run", { y }, { n: 1 }, [1]);
  await assertRejects(() => y.read(), Error, "broken");
});

Deno.test("a scope frees what was made in it, unless it is kept", async () => {
  const gpu = await testGpu();
  const before = gpu.memory().live;
  using outer = gpu.scope();
  let kept;
  let lost;
  {
    using inner = gpu.scope();
    lost = full(gpu, [3], 1);
    kept = inner.keep(add(lost, 1));
    assertEquals(gpu.memory().live, before + 2);
  }
  assertEquals(gpu.memory().live, before + 1);
  assertEquals([...await kept.read()], [2, 2, 2]);
  assertThrows(
    () => add(lost, 1),
    Error,
    "Cannot use a tensor (3): it was freed with its scope; keep it with scope.keep()",
  );
  outer[Symbol.dispose] satisfies () => void;
});

Deno.test("a scope refuses to close before an inner one", async () => {
  const gpu = await testGpu();
  const outer = gpu.scope();
  const inner = gpu.scope();
  assertThrows(
    () => outer[Symbol.dispose](),
    Error,
    "Cannot close a scope that is not the innermost one",
  );
  inner[Symbol.dispose]();
  outer[Symbol.dispose]();
});

Deno.test("memory budget refuses an allocation and names the tensor", async () => {
  using gpu = await Gpu.open({ memoryBudget: 10_000 });
  const first = zeros(gpu, [1000]);
  assertThrows(
    () => zeros(gpu, [2000]),
    RangeError,
    "Cannot create a tensor (2000): 4096 bytes are in use and 8192 more exceed the memory budget of 10000",
  );
  first.free();
  assertEquals((await zeros(gpu, [2000]).read())[0], 0);
  await assertRejects(() => Gpu.open({ memoryBudget: 0 }), RangeError);
});

Deno.test("a tensor beyond the adapter's binding limit is refused at creation", async () => {
  const gpu = await testGpu();
  const elements = gpu.limits.maxStorageBufferBindingSize / 4 + 64;
  if (elements * 4 > 2 ** 33) return;
  assertThrows(
    () => empty(gpu, [elements]),
    RangeError,
    "this adapter binds at most",
  );
});

Deno.test("a device refuses another device's tensor, and use after closing", async () => {
  const gpu = await testGpu();
  const other = await Gpu.open();
  using _ = gpu.scope();
  assertThrows(
    () => add(zeros(gpu, [2]), zeros(other, [2])),
    TypeError,
    "is on another device than",
  );
  other[Symbol.dispose]();
  assertThrows(
    () => zeros(other, [2]),
    Error,
    "Cannot use the device: it was closed",
  );
});

Deno.test("a lost device becomes one clear error", async () => {
  const gpu = await Gpu.open();
  const x = zeros(gpu, [2]);
  gpu.device.destroy();
  await gpu.device.lost;
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertThrows(
    () => add(x, 1),
    Error,
    "Cannot use the device: it was lost (destroyed",
  );
});

Deno.test("guard names the first kernel and step that is not finite", async () => {
  using gpu = await Gpu.open({ guard: true });
  const x = tensor(gpu, [1, 0, 2]);
  gpu.guard!.step = 3;
  const y = div(full(gpu, [3], 1), x);
  await assertRejects(
    () => mul(y, 2).read(),
    Error,
    "Cannot go on: pointwise_div.run produced NaN or infinity in step 3",
  );
  assertEquals([...await exp(zeros(gpu, [2])).read()], [1, 1]);
  await assertRejects(
    () => log(tensor(gpu, [-1])).read(),
    Error,
    "pointwise_log",
  );
});

Deno.test("profile counts dispatches and operations per kernel", async () => {
  using gpu = await Gpu.open({ profile: true });
  const x = full(gpu, [128, 128], 1);
  matmul(x, x);
  await matmul(x, x).read();
  const row = (await gpu.profiler!.rows()).find(({ label }) =>
    label.startsWith("matmul_nn")
  );
  assertEquals(row?.count, 2);
  assert(row !== undefined && row.ms > 0 && row.gflops > 0);
  assert((await gpu.profiler!.table()).includes("matmul_nn.product"));
});
