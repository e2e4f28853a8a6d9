import { assertEquals, assertThrows } from "@std/assert";
import { matmul, type MatmulOptions } from "../../core/ops/matmul.ts";
import { tensor, zeros } from "../../core/tensor/create.ts";
import type { Tile } from "../../kernels/tile.wgsl.ts";
import { type Array64, at, build64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";
import { testGpu } from "../support/gpu.ts";

/** C(m, n) = sum over k of A(m, k) B(k, n). */
function oracle(options: MatmulOptions) {
  return (a: Array64, b: Array64): Float64Array => {
    const { transposeA = false, transposeB = false } = options;
    const rows = a.shape.at(transposeA ? -1 : -2)!;
    const depth = a.shape.at(transposeA ? -2 : -1)!;
    const columns = b.shape.at(transposeB ? -2 : -1)!;
    const leadA = a.shape.slice(0, -2);
    const leadB = b.shape.slice(0, -2);
    const lead = leadA.length >= leadB.length ? leadA : leadB;
    return build64([...lead, rows, columns], (index) => {
      const [m = 0, n = 0] = index.slice(-2);
      const batch = index.slice(0, -2);
      let total = 0;
      for (let k = 0; k < depth; k++) {
        total += at(a, [...batch, ...(transposeA ? [k, m] : [m, k])]) *
          at(b, [...batch, ...(transposeB ? [n, k] : [k, n])]);
      }
      return total;
    }).data;
  };
}

const LAYOUTS: Record<string, MatmulOptions> = {
  "matmul": {},
  "matmul with b transposed": { transposeB: true },
  "matmul with a transposed": { transposeA: true },
  "matmul with both transposed": { transposeA: true, transposeB: true },
};

for (const [name, options] of Object.entries(LAYOUTS)) {
  const { transposeA = false, transposeB = false } = options;
  const shapes = (m: number, k: number, n: number, ...batch: number[]) => [
    [...batch, ...(transposeA ? [k, m] : [m, k])],
    [...batch, ...(transposeB ? [n, k] : [k, n])],
  ];
  checkOp(name, {
    run: (a, b) => matmul(a, b, options),
    oracle: oracle(options),
    cases: {
      "accepts single elements": { shapes: shapes(1, 1, 1) },
      "accepts lengths that fill no texel": { shapes: shapes(5, 7, 3) },
      "accepts an odd depth beside whole texels": {
        shapes: shapes(36, 18, 68),
      },
      "accepts one row": { shapes: shapes(1, 40, 65) },
      "accepts exactly one tile": { shapes: shapes(32, 64, 64) },
      "accepts lengths beyond a tile": { shapes: shapes(67, 33, 70) },
      "accepts a batch": { shapes: shapes(9, 12, 20, 2, 3) },
      "accepts an odd batch": { shapes: shapes(3, 5, 7, 3) },
      "accepts many rows of few columns": { shapes: shapes(133, 9, 10) },
      "accepts a batch of them": { shapes: shapes(128, 5, 24, 2) },
    },
    tolerance: 1e-5, // measured 2e-6 at depth 64
  });
}

checkOp("matmul", {
  run: (a, b) => matmul(a, b),
  oracle: oracle({}),
  cases: {
    "uses one matrix b for a whole batch": { shapes: [[3, 4, 5], [5, 6]] },
    "uses one matrix a for a whole batch": { shapes: [[4, 5], [3, 5, 6]] },
  },
  tolerance: 1e-5,
});

const TILES: Record<string, Tile> = {
  "a shared tile of 64": {
    member: "shared",
    rows: 64,
    columns: 64,
    depth: 16,
    rowsEach: 8,
  },
  "a shared tile of 32": {
    member: "shared",
    rows: 32,
    columns: 32,
    depth: 16,
    rowsEach: 4,
  },
  "a shared tile of 128 by 64": {
    member: "shared",
    rows: 128,
    columns: 64,
    depth: 8,
    rowsEach: 8,
  },
};

for (const [what, tile] of Object.entries(TILES)) {
  const tiles = everywhere(tile);
  for (const [name, options] of Object.entries(LAYOUTS)) {
    const { transposeA = false, transposeB = false } = options;
    checkOp(`${name} by ${what}`, {
      run: (a, b) => matmul(a, b, options),
      oracle: oracle(options),
      gpu: () =>
        testGpu({ withoutSubgroups: true, operandSource: "buffer", tiles }),
      cases: {
        "accepts lengths beyond a tile": {
          shapes: [
            transposeA ? [35, 131] : [131, 35],
            transposeB ? [66, 35] : [35, 66],
          ],
        },
        "accepts a batch": {
          shapes: [
            transposeA ? [2, 20, 8] : [2, 8, 20],
            transposeB ? [2, 12, 20] : [2, 20, 12],
          ],
        },
      },
      tolerance: 1e-5,
    });
  }
}

/** Tiles by every product kind and shape class. */
function everywhere(tile: Tile): Record<string, Tile> {
  const kinds = ["nn", "nt", "tn", "tt", "conv", "convWeight"];
  const shapes = ["large", "narrow", "small"];
  return Object.fromEntries(
    kinds.flatMap((kind) => shapes.map((shape) => [`${kind}/${shape}`, tile])),
  );
}

const { subgroupSize } = await testGpu();
for (const rows of subgroupSize === 0 ? [] : [4, 8, 16, 64]) {
  const tile: Tile = { member: "shuffle", lanes: subgroupSize, rows };
  for (const [name, options] of Object.entries(LAYOUTS)) {
    const { transposeA = false, transposeB = false } = options;
    checkOp(`${name} by a shuffled tile of ${rows}`, {
      run: (a, b) => matmul(a, b, options),
      oracle: oracle(options),
      gpu: () => testGpu({ tiles: everywhere(tile) }),
      cases: {
        "accepts lengths beyond a tile": {
          shapes: [
            transposeA ? [10, 71] : [71, 10],
            transposeB ? [66, 10] : [10, 66],
          ],
        },
      },
      tolerance: 1e-5,
    });
  }
}

// A dispatch has at most 65,535 workgroups along an axis.
const MANY = {
  "matmul": LAYOUTS["matmul"]!,
  "matmul with both transposed": LAYOUTS["matmul with both transposed"]!,
};
for (const [name, options] of Object.entries(MANY)) {
  const isTransposed = options.transposeA === true;
  checkOp(name, {
    run: (a, b) => matmul(a, b, options),
    oracle: oracle(options),
    cases: {
      "accepts more than 65,535 products": {
        shapes: isTransposed
          ? [[70_001, 3, 2], [70_001, 2, 3]]
          : [[70_001, 2, 3], [70_001, 3, 2]],
      },
    },
    tolerance: 1e-5,
    samples: 3,
  });
}
checkOp("matmul by shared tiles", {
  run: (a, b) => matmul(a, b),
  oracle: oracle({}),
  gpu: () => testGpu({ withoutSubgroups: true, operandSource: "buffer" }),
  cases: {
    "uses one matrix a for more than 65,535 products": {
      shapes: [[2, 3], [66_000, 3, 2]],
    },
  },
  tolerance: 1e-5,
  forwardOnly: true,
});

// Rows by the tile for few columns, which are turned, and by one of four rows.
for (
  const [what, options, rows] of [
    ["turned", {}, 4 * subgroupSize * 65_536 + 1],
    ["straight", {
      tiles: everywhere({ member: "shuffle", lanes: subgroupSize, rows: 4 }),
    }, 4 * 65_536 + 1],
  ] as const
) {
  for (const transposeA of [false, true]) {
    Deno.test({
      name: `matmul accepts more than 65,535 workgroups of ${
        transposeA ? "transposed " : ""
      }rows in a ${what} tile`,
      ignore: subgroupSize === 0,
      async fn() {
        const gpu = await testGpu(options);
        using _ = gpu.scope();
        const a = Float32Array.from({ length: rows }, (_, i) => i % 1009);
        const c = matmul(
          tensor(gpu, a, transposeA ? [1, rows] : [rows, 1]),
          tensor(gpu, [3], [1, 1]),
          { transposeA },
        );
        const got = await c.read();
        assertEquals(got.findIndex((value, i) => value !== 3 * a[i]!), -1);
      },
    });
  }
}

Deno.test("matmul refuses more columns than a dispatch covers, at its call", async () => {
  const gpu = await testGpu({
    withoutSubgroups: true,
    operandSource: "buffer",
  });
  using _ = gpu.scope();
  assertThrows(
    () => matmul(zeros(gpu, [1, 1]), zeros(gpu, [1, 32 * 65_536])),
    RangeError,
    "Cannot run matmul_nn.product: its input needs 1 x 65536 x 1 workgroups, at most 65535 are possible along an axis; split the input",
  );
});

Deno.test("matmul refuses sums that a driver may end early", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  const x = zeros(gpu, [1, 260_000]);
  assertThrows(
    () => matmul(x, x, { transposeB: true }),
    RangeError,
    "it needs 65000 loop iterations per invocation, drivers may end after 60000; split the input",
  );
});

Deno.test("matmul refuses inner lengths that differ", async () => {
  const gpu = await testGpu();
  using _ = gpu.scope();
  assertThrows(
    () => matmul(zeros(gpu, [2, 3]), zeros(gpu, [4, 5])),
    RangeError,
    "Cannot apply matmul: (2, 3) times (4, 5) needs equal inner lengths, got 3 and 4",
  );
});
