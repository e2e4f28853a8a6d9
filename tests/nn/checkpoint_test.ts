import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  Adam,
  backward,
  Ema,
  gelu,
  type Gpu,
  key,
  Linear,
  loadCheckpoint,
  mse,
  normal,
  parameters,
  readSafetensors,
  saveCheckpoint,
  Sequential,
  toFloat32,
  writeSafetensors,
} from "../../mod.ts";
import { testGpu } from "../support/gpu.ts";

async function temporaryFolder(): Promise<string> {
  await Deno.mkdir(".test", { recursive: true });
  return await Deno.makeTempDir({ dir: ".test" });
}

function build(gpu: Gpu, seed: number) {
  const model = new Sequential(new Linear(3, 16), gelu, new Linear(16, 3));
  const store = parameters(gpu, model, { seed });
  const optimizer = new Adam(store, { lr: 1e-2 });
  const ema = new Ema(store, 0.9);
  const run = (from: number, to: number) => {
    for (let step = from; step < to; step++) {
      using _ = gpu.scope();
      const x = normal(gpu, [8, 3], key("x", 0, step));
      backward(mse(model.forward(x), x));
      optimizer.step();
      ema.update();
    }
  };
  return { model, store, optimizer, ema, run };
}

Deno.test("a checkpoint continues training bit for bit", async () => {
  const gpu = await testGpu();
  const folder = await temporaryFolder();
  const path = `${folder}/model.safetensors`;
  const whole = build(gpu, 1);
  whole.run(0, 12);

  const first = build(gpu, 1);
  first.run(0, 5);
  await saveCheckpoint(path, first, { settings: "abc" });
  const second = build(gpu, 2);
  const metadata = await loadCheckpoint(path, second);
  assertEquals(metadata["settings"], "abc");
  assertEquals(second.optimizer.stepCount, 5);
  second.run(5, 12);

  assertEquals(
    await second.store.values.read(),
    await whole.store.values.read(),
  );
  assertEquals(await second.ema.average.read(), await whole.ema.average.read());
  for (const { store } of [whole, first, second]) store[Symbol.dispose]();
});

Deno.test("loadCheckpoint lists all that does not fit and changes nothing", async () => {
  const gpu = await testGpu();
  const path = `${await temporaryFolder()}/model.safetensors`;
  const other = new Linear(3, 16);
  using store = parameters(gpu, other);
  await saveCheckpoint(path, { store });
  const whole = build(gpu, 1);
  const before = await whole.store.values.read();
  await assertRejects(
    () => loadCheckpoint(path, { store: whole.store }),
    TypeError,
    "missing model.0.weight; missing model.0.bias; missing model.2.weight; missing model.2.bias; surplus model.weight",
  );
  assertEquals(await whole.store.values.read(), before);
  whole.store[Symbol.dispose]();
});

Deno.test("loadCheckpoint refuses values that are not finite and changes nothing", async () => {
  const gpu = await testGpu();
  const path = `${await temporaryFolder()}/model.safetensors`;
  const { store } = build(gpu, 1);
  const before = await store.values.read() as Float32Array<ArrayBuffer>;
  store.gpu.write(store.values, Float32Array.from(before).fill(NaN, 2, 3));
  await saveCheckpoint(path, { store });
  store.gpu.write(store.values, before);
  await assertRejects(
    () => loadCheckpoint(path, { store }),
    TypeError,
    "not finite model.0.weight (NaN at 2)",
  );
  assertEquals(await store.values.read(), before);
  store[Symbol.dispose]();
});

Deno.test("a kill while a checkpoint is written leaves a whole one", async () => {
  const folder = await temporaryFolder();
  const path = `${folder}/model.safetensors`;
  for (let round = 0; round < 6; round++) {
    const child = new Deno.Command("deno", {
      args: [
        "run",
        "--no-prompt",
        "--allow-read=.",
        "--allow-write=.test",
        "tests/support/checkpoint_writer.ts",
        path,
      ],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.getReader();
    const { done } = await reader.read();
    assert(!done, "the writer started");
    await new Promise((resolve) => setTimeout(resolve, 7 + 11 * round));
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    using file = await readSafetensors(path);
    const step = Number(file.metadata["step"]);
    const values = toFloat32(await file.read("x"));
    assertEquals(values.length, 2 ** 18);
    assert(values.every((value) => value === step), `step ${step} is whole`);
  }
});

Deno.test("writeSafetensors keeps the old file when it fails", async () => {
  const path = `${await temporaryFolder()}/x.safetensors`;
  const data = new Float32Array([1, 2]);
  await writeSafetensors(path, { x: { shape: [2], data } });
  await assertRejects(
    () => writeSafetensors(path, { x: { shape: [3], data } }),
    RangeError,
    'Cannot write tensor "x": shape (3) needs 3 elements, got 2',
  );
  using file = await readSafetensors(path);
  assertEquals([...toFloat32(await file.read("x"))], [1, 2]);
});
