import { assertEquals, assertThrows } from "@std/assert";
import { chunk, concat, slice } from "../../core/ops/concat.ts";
import { dropout } from "../../core/ops/dropout.ts";
import { gather, pick, repeat } from "../../core/ops/gather.ts";
import { gatedAdd, modulate } from "../../core/ops/modulate.ts";
import { mse } from "../../core/ops/mse.ts";
import { patchify, unpatchify } from "../../core/ops/patchify.ts";
import { permute } from "../../core/ops/permute.ts";
import { rope } from "../../core/ops/rope.ts";
import { tensor, zeros } from "../../core/tensor/create.ts";
import { key } from "../../core/tensor/philox.ts";
import { type Array64, at, build64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";
import { testGpu } from "../support/gpu.ts";

const exact = 2e-6; // of gradients; results are copies

for (
  const order of [[1, 0], [2, 0, 1], [0, 2, 1, 3], [3, 1, 5, 0, 2, 4], [
    4,
    1,
    3,
    0,
    2,
    5,
  ]]
) {
  const shape = [3, 5, 2, 4, 3, 2].slice(0, order.length);
  checkOp(`permute by ${order}`, {
    run: (x) => permute(x, order),
    oracle: (x) =>
      build64(
        order.map((axis) => x.shape[axis]!),
        (index) => at(x, x.shape.map((_, axis) => index[order.indexOf(axis)]!)),
      ).data,
    cases: {
      "moves axes": { shapes: [shape] },
      "moves whole texels": {
        shapes: [
          shape.map((n) => 4 * n).slice(-3).length === order.length
            ? shape.map((n) => 4 * n)
            : shape,
        ],
      },
    },
    tolerance: exact,
  });
}

for (const axis of [0, 1, 2]) {
  checkOp(`concat along axis ${axis}`, {
    run: (x, y) => concat([x, y, x], axis),
    oracle: (x, y) => {
      const length = 2 * x.shape[axis]! + y.shape[axis]!;
      return build64(x.shape.with(axis, length), (index) => {
        const i = index[axis]!;
        const first = x.shape[axis]!;
        const second = first + y.shape[axis]!;
        if (i < first) return at(x, index);
        if (i < second) return at(y, index.with(axis, i - first));
        return at(x, index.with(axis, i - second));
      }).data;
    },
    cases: {
      "joins odd lengths": {
        shapes: [[3, 2, 5], [3, 2, 5].with(axis, 4)],
      },
      "joins whole texels": { shapes: [[4, 8, 8], [4, 8, 8].with(axis, 4)] },
    },
    tolerance: exact,
  });
  checkOp(`slice along axis ${axis}`, {
    run: (x) => slice(x, axis, 1, 3),
    oracle: (x) =>
      build64(
        x.shape.with(axis, 2),
        (index) => at(x, index.with(axis, index[axis]! + 1)),
      ).data,
    cases: { "takes a range": { shapes: [[4, 3, 5]] } },
    tolerance: exact,
  });
}

checkOp("chunk", {
  run: (x) => {
    const [a, b, c] = chunk(x, 3);
    return concat([c!, a!, b!], 0);
  },
  oracle: (x) =>
    build64([3 * x.shape[0]!, x.shape[1]! / 3], ([row = 0, c = 0]) => {
      const rows = x.shape[0]!;
      const part = [2, 0, 1][Math.floor(row / rows)]!;
      return at(x, [row % rows, part * x.shape[1]! / 3 + c]);
    }).data,
  cases: {
    "splits odd lengths": { shapes: [[4, 15]] },
    "splits whole texels": { shapes: [[4, 24]] },
  },
  tolerance: exact,
});

checkOp("chunk", {
  run: (x) => chunk(x, 3)[1]!,
  oracle: (x) =>
    build64([x.shape[0]!, 2], ([r = 0, c = 0]) => at(x, [r, c + 2])).data,
  cases: { "gives unused parts no gradient": { shapes: [[4, 6]] } },
  tolerance: exact,
});

const INDEX = [2, 0, 2, 1, 2];
checkOp("gather", {
  run: (x) => gather(x, tensor(x.gpu, new Uint32Array(INDEX))),
  oracle: (x) =>
    build64([5, x.shape[1]!], ([n = 0, c = 0]) => at(x, [INDEX[n]!, c])).data,
  cases: { "adds the gradients of repeated rows": { shapes: [[4, 7]] } },
  tolerance: exact,
});
checkOp("pick", {
  run: (x) => pick(x, tensor(x.gpu, new Uint32Array(INDEX))),
  oracle: (x) => build64([5], ([n = 0]) => at(x, [n, INDEX[n]!])).data,
  cases: { "takes one value per row": { shapes: [[5, 3]] } },
  tolerance: exact,
});
checkOp("repeat", {
  run: (x) => repeat(x, 3, 1),
  oracle: (x) =>
    build64(
      x.shape.with(1, 3 * x.shape[1]!),
      ([a = 0, b = 0, c = 0]) => at(x, [a, b % x.shape[1]!, c]),
    ).data,
  cases: { "makes whole copies": { shapes: [[2, 3, 5]] } },
  tolerance: exact,
});

/** Token s = i * columns + j holds values (c, r, q) of patch (i, j). */
function patches(x: Array64, patch: number): Float64Array {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const columns = width / patch;
  return build64(
    [batch, (height / patch) * columns, channels * patch * patch],
    ([b = 0, s = 0, value = 0]) => {
      const c = Math.floor(value / (patch * patch));
      const r = Math.floor(value / patch) % patch;
      const q = value % patch;
      const i = Math.floor(s / columns);
      return at(x, [b, c, i * patch + r, (s % columns) * patch + q]);
    },
  ).data;
}

checkOp("patchify", {
  run: (x) => patchify(x, 2),
  oracle: (x) => patches(x, 2),
  cases: { "is channel-major": { shapes: [[2, 3, 4, 6]] } },
  tolerance: exact,
});
checkOp("unpatchify", {
  run: (x) => unpatchify(patchify(x, 4), 4, 8, 12),
  oracle: (x) => x.data.slice(),
  cases: { "undoes patchify": { shapes: [[2, 4, 8, 12]] } },
  tolerance: exact,
});

checkOp("modulate", {
  run: modulate,
  oracle: (x, shift, scale) =>
    build64(x.shape, ([b = 0, t = 0, d = 0]) => {
      const row = Math.floor(t * shift.shape[1]! / x.shape[1]!);
      return at(x, [b, t, d]) * (1 + at(scale, [b, row, d])) +
        at(shift, [b, row, d]);
    }).data,
  cases: {
    "has one conditioning row per token": {
      shapes: [[2, 3, 8], [2, 3, 8], [2, 3, 8]],
    },
    "shares a conditioning row": { shapes: [[2, 6, 8], [2, 2, 8], [2, 2, 8]] },
    "accepts odd widths": { shapes: [[2, 6, 5], [2, 3, 5], [2, 3, 5]] },
  },
  tolerance: 5e-6,
});
checkOp("gatedAdd", {
  run: gatedAdd,
  oracle: (x, gate, branch) =>
    build64(x.shape, ([b = 0, t = 0, d = 0]) => {
      const row = Math.floor(t * gate.shape[1]! / x.shape[1]!);
      return at(x, [b, t, d]) + at(gate, [b, row, d]) * at(branch, [b, t, d]);
    }).data,
  cases: {
    "shares a gate": { shapes: [[2, 6, 8], [2, 2, 8], [2, 6, 8]] },
  },
  tolerance: 5e-6,
});

checkOp("mse", {
  run: mse,
  oracle: (x, y) =>
    Float64Array.of(
      x.data.reduce((sum, x, i) => sum + (x - y.data[i]!) ** 2, 0) /
        x.data.length,
    ),
  cases: { "averages all elements": { shapes: [[5, 7], [5, 7]] } },
  tolerance: 5e-6,
});

const stream = key("dropout", 1);
checkOp("dropout", {
  run: (x) => dropout(x, 0.4, stream),
  oracle: (x) => x.data.map((x, i) => stream.uniform(i) >= 0.4 ? x / 0.6 : 0),
  cases: { "zeroes and scales": { shapes: [[11, 13]] } },
  tolerance: 5e-6,
});

for (const pairing of ["neighbours", "halves"] as const) {
  const positions = [[0, 1, 2, 5, 7], [3, 0, 1, 1, 9]];
  checkOp(`rope over ${pairing}`, {
    run: (x) => rope(x, { positions, features: [4, 2], pairing }),
    oracle: (x) => {
      const d = x.shape[3]!;
      const angles = (t: number) => [
        positions[0]![t]!,
        positions[0]![t]! * 10_000 ** (-2 / 4),
        positions[1]![t]!,
        0,
      ];
      return build64(x.shape, ([b = 0, t = 0, h = 0, i = 0]) => {
        const pair = pairing === "halves" ? i % (d / 2) : Math.floor(i / 2);
        const first = pairing === "halves" ? pair : 2 * pair;
        const second = pairing === "halves" ? pair + d / 2 : first + 1;
        const angle = angles(t)[pair]!;
        const a = at(x, [b, t, h, first]);
        const c = at(x, [b, t, h, second]);
        return i === first
          ? a * Math.cos(angle) - c * Math.sin(angle)
          : c * Math.cos(angle) + a * Math.sin(angle);
      }).data;
    },
    cases: { "turns pairs of two axes": { shapes: [[2, 5, 3, 8]] } },
    tolerance: 5e-6,
  });
}

Deno.test("concat refuses other axes that differ", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  assertThrows(
    () => concat([zeros(gpu, [2, 3]), zeros(gpu, [3, 3])], 1),
    RangeError,
    "Cannot apply concat: (3, 3) and (2, 3) differ outside axis 1",
  );
});

Deno.test("dropout keeps everything at share 0", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const x = tensor(gpu, [1, 2, 3]);
  assertEquals(dropout(x, 0, stream), x);
  assertThrows(() => dropout(x, 1, stream), RangeError, "share 1");
});
