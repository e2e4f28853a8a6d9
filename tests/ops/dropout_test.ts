import { assertEquals, assertThrows } from "@std/assert";
import { dropout } from "../../core/ops/dropout.ts";
import { tensor } from "../../core/tensor/create.ts";
import { key } from "../../core/tensor/philox.ts";
import { checkOp } from "../support/check_op.ts";
import { testGpu } from "../support/gpu.ts";

const stream = key("dropout", 1);

checkOp("dropout", {
  run: (x) => dropout(x, 0.4, stream),
  oracle: (x) => x.data.map((x, i) => stream.uniform(i) >= 0.4 ? x / 0.6 : 0),
  cases: { "zeroes and scales": { shapes: [[11, 13]] } },
  tolerance: 5e-6,
});

Deno.test("dropout keeps everything at share 0", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const x = tensor(gpu, [1, 2, 3]);
  assertEquals(dropout(x, 0, stream), x);
  assertThrows(() => dropout(x, 1, stream), RangeError, "share 1");
});
