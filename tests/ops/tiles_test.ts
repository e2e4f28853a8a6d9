import { assertEquals } from "@std/assert";
import { chooseTile } from "../../core/ops/tiles.ts";
import { testGpu } from "../support/gpu.ts";

Deno.test("chooseTile serves adapters without subgroups by shared memory", async () => {
  const gpu = await testGpu({ withoutSubgroups: true });
  assertEquals(gpu.subgroupSize, 0);
  assertEquals(chooseTile(gpu, "nn", 1024, 1024).member, "shared");
  assertEquals(chooseTile(gpu, "nn", 8, 8).member, "shared");
});
