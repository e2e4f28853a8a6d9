/**
 * Finds the fastest tile of every product kind and shape class on this adapter
 * and writes it to `kernels/tuned.json`: `deno task tune`.
 *
 * Candidates are timed in turns, many dispatches to a wait; a tile replaces the
 * heuristic choice only if it is at least 3 % faster. Runs only read the table,
 * so two runs of one experiment add numbers in one order.
 *
 * @module
 */

import table from "../../kernels/tuned.json" with { type: "json" };
import { conv2d } from "../../core/ops/conv2d.ts";
import { matmul } from "../../core/ops/matmul.ts";
import { adapterKey } from "../../core/gpu/tuning.ts";
import { chooseTile, shapeClass } from "../../core/ops/tiles.ts";
import type { Tile } from "../../kernels/tile.wgsl.ts";
import { backward, Gpu, key, normal, type Tensor } from "../../mod.ts";

/** Least gain that is worth an entry, as a ratio of times. */
const GAIN = 1.03;
const ROUNDS = 4;
const TURN_MS = 120;

const shared = (
  rows: number,
  columns: number,
  depth: number,
  rowsEach: number,
): Tile => ({ member: "shared", rows, columns, depth, rowsEach });

/** Tiles that are tried, few because each takes long to compile. */
function candidates(gpu: Gpu): Tile[] {
  if (gpu.isSoftware && gpu.subgroupSize > 0) {
    return [8, 16, 32, 64].map((rows) => ({
      member: "shuffle",
      lanes: gpu.subgroupSize,
      rows,
    }));
  }
  const list = [
    shared(32, 32, 16, 4),
    shared(64, 64, 16, 4),
    shared(64, 64, 16, 8),
    shared(64, 64, 32, 8),
    shared(128, 64, 16, 8),
    shared(128, 128, 8, 8),
  ];
  if (gpu.subgroupSize > 0) {
    const lanes = gpu.subgroupSize;
    list.push({ member: "shuffle", lanes, rows: 32 });
  }
  return list;
}

/** Work that stands for a kind and a shape. */
interface Work {
  readonly kind: "nn" | "nt" | "tn" | "tt" | "conv" | "convWeight";
  readonly rows: number;
  readonly columns: number;
  readonly prepare: (gpu: Gpu) => () => void;
}

const draw = (gpu: Gpu, shape: number[], index: number) =>
  normal(gpu, shape, key("tune", 0, index));

function product(kind: "nn" | "nt" | "tn" | "tt", m: number, n: number): Work {
  const transposeA = kind.startsWith("t");
  const transposeB = kind.endsWith("t");
  const depth = 512;
  return {
    kind,
    rows: m,
    columns: n,
    prepare: (gpu) => {
      const a = draw(gpu, transposeA ? [depth, m] : [m, depth], 0);
      const b = draw(gpu, transposeB ? [n, depth] : [depth, n], 1);
      return () => void matmul(a, b, { transposeA, transposeB });
    },
  };
}

function convolution(kind: "conv" | "convWeight", channels: number): Work {
  const side = 32;
  const prepare = (gpu: Gpu) => {
    const x = draw(gpu, [4, side, side, 64], 0);
    const w = draw(gpu, [channels, 64, 3, 3], 1);
    const options = { padding: 1 };
    if (kind === "conv") {
      return () => void conv2d(x, w, undefined, options);
    }
    const dy = draw(gpu, [4, side, side, channels], 2);
    w.requiresGrad = true;
    return () => {
      w.grad = undefined;
      const y: Tensor = conv2d(x, w, undefined, options);
      backward(y, dy);
    };
  };
  const rows = kind === "conv" ? 4 * side * side : 64;
  return { kind, rows, columns: channels, prepare };
}

const works: readonly Work[] = [
  ...(["nn", "nt", "tn", "tt"] as const).flatMap((kind) => [
    product(kind, 1024, 512),
    product(kind, 1024, 32),
    product(kind, 16, 512),
  ]),
  convolution("conv", 64),
  convolution("conv", 16),
  convolution("convWeight", 64),
  convolution("convWeight", 16),
];

async function time(gpu: Gpu, run: () => void, repetitions: number) {
  const start = performance.now();
  for (let i = 0; i < repetitions; i++) {
    using _ = gpu.scope();
    run();
  }
  await gpu.sync();
  return (performance.now() - start) / repetitions;
}

const found: Record<string, Tile> = {};
let name = "";
for (const { kind, rows, columns, prepare } of works) {
  const slot = `${kind}/${shapeClass(rows, columns)}`;
  using plain = await Gpu.open({ tiles: {} });
  name = adapterKey(plain);
  const usual = chooseTile(plain, kind, rows, columns);
  const tiles = [
    usual,
    ...candidates(plain).filter((tile) =>
      JSON.stringify(tile) !== JSON.stringify(usual)
    ),
  ];
  const runs: { tile: Tile; gpu: Gpu; run: () => void; best: number }[] = [];
  for (const tile of tiles) {
    const gpu = await Gpu.open({ tiles: { [slot]: tile } });
    const run = prepare(gpu);
    await time(gpu, run, 1);
    runs.push({ tile, gpu, run, best: Infinity });
  }
  const once = await time(runs[0]!.gpu, runs[0]!.run, 4);
  const repetitions = Math.max(2, Math.ceil(TURN_MS / once));
  for (let round = 0; round < ROUNDS; round++) {
    for (const entry of runs) {
      const ms = await time(entry.gpu, entry.run, repetitions);
      entry.best = Math.min(entry.best, ms);
    }
  }
  const [first, ...others] = runs;
  const fastest = others.reduce(
    (a, b) => b.best * GAIN < a.best ? b : a,
    first!,
  );
  if (fastest !== first) found[slot] = fastest.tile;
  console.log(
    `${slot.padEnd(18)} ${
      runs.map(({ tile, best }) =>
        `${tile.member} ${tile.rows}: ${best.toFixed(2)} ms`
      ).join(", ")
    }`,
  );
  for (const { gpu } of runs) gpu[Symbol.dispose]();
}

const result = { ...table, [name]: found };
await Deno.writeTextFile(
  new URL("../../kernels/tuned.json", import.meta.url),
  `${JSON.stringify(result, null, 2)}\n`,
);
console.log(
  `Wrote ${
    Object.keys(found).length
  } tiles for "${name}" to kernels/tuned.json`,
);
