/**
 * Convolution by 3 x 3 kernels with a third of the multiplications: Winograd's
 * minimal filtering F(2 x 4, 3 x 3), channels last.
 *
 *   weights:  U(i, j, k, n) = G2(i) w(n, k) G4(j)^T
 *   product:  V(i, j, t, k) = B2(i) x(t, k) B4(j)^T
 *             M(i, j, t, n) = sum_k V(i, j, t, k) U(i, j, k, n)
 *             y(t, n) = act( A2 M(t, n) A4^T + bias(n) ) + residual(t, n)
 *
 * x(t, k) are the 4 x 6 pixels that tile t of 2 x 4 results meets; a pixel
 * outside the image is zero. The gradient by the image is the same convolution
 * with the kernel turned around and its channels exchanged.
 *
 * w: (N, K, 3, 3), turned (K, N, 3, 3). U: (4, 6, K, N).
 * x: (B, sourceHeight, sourceWidth, K). y, pre, residual: (B, gridHeight,
 * gridWidth, N). bias: (N). K and N are multiples of 4. Lavin & Gray 2016, section 4; the
 * points are 0, 1, -1 and, along x, 2 and -2.
 *
 * @module
 */

import opaque from "./lib/opaque.wgsl" with { type: "text" };
import { type Epilogue, epilogue, operand } from "./matmul.wgsl.ts";

/** Results of a tile: height and width. */
export const TILE = [2, 4] as const;

/** Places of a transformed tile, one product each. */
export const PLACES = 24;

/** One member of the family. */
export interface WinogradVariant extends Omit<Epilogue, "wide" | "source"> {
  /** Lanes of the subgroup and of the workgroup: 8, 16 or 32. */
  readonly lanes: number;
  /** Tiles per workgroup, a multiple of the lanes. */
  readonly tiles: number;
}

type Matrix = readonly (readonly number[])[];

const G2: Matrix = [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [
  0,
  0,
  1,
]];

const G4: Matrix = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
];

const B4: Matrix = [
  [4, 0, -5, 0, 1, 0],
  [0, -4, -4, 1, 1, 0],
  [0, 4, -4, -1, 1, 0],
  [0, -2, -1, 2, 1, 0],
  [0, 2, -1, -2, 1, 0],
  [0, 4, 0, -5, 0, 1],
];

const A4: Matrix = [
  [1, 1, 1, 1, 1, 0],
  [0, 1, -1, 2, -2, 0],
  [0, 1, 1, 4, 4, 0],
  [0, 1, -1, 8, -8, 1],
];

const AXES = ["x", "y", "z", "w"] as const;

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** One expression for each row of a matrix times a column of names. */
function times(matrix: Matrix, column: readonly string[]): string[] {
  return matrix.map((row) =>
    row.flatMap((factor, i) => {
      if (factor === 0) return [];
      return [factor === 1 ? column[i]! : `${factor} * ${column[i]}`];
    }).join(" + ")
  );
}

/**
 * Writes the kernel that transforms weights. One invocation per k and four n.
 *
 * @returns WGSL text without `lib/quotient.wgsl`
 */
export function winogradWeightsKernel(): string {
  const taps = range(9).map((tap) => {
    const parts = range(4).map((n) =>
      `at(k, n4 * 4u + ${n}u, ${tap}u, isTurned)`
    );
    return `let w${tap} = vec4f(${parts.join(", ")});`;
  });
  const columns = range(3).flatMap((x) =>
    times(G2, range(3).map((y) => `w${3 * y + x}`))
      .map((sum, i) => `let g${i}_${x} = ${sum};`)
  );
  const stores = range(4).flatMap((i) =>
    times(G4, range(3).map((x) => `g${i}_${x}`))
      .map((sum, j) => `u[${6 * i + j}u * plane + index] = ${sum};`)
  );
  return `// Winograd's transform of weights.
struct Params {
  channels: u32,
  columns: u32,
  isTurned: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> u: array<vec4f>;

${opaque}
fn at(k: u32, n: u32, tap: u32, isTurned: bool) -> f32 {
  if (isTurned) {
    return w[(k * params.columns + n) * 9u + 8u - tap];
  }
  return w[(n * params.channels + k) * 9u + tap];
}

@compute @workgroup_size(64)
fn transform(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = (group.y * 65535u + group.x) * 64u + lane;
  let width = params.columns >> 2u;
  let plane = params.channels * width;
  let isTurned = opaque(params.isTurned, group) != 0u;
  if (index >= plane) {
    return;
  }
  let k = quotient(index, width);
  let n4 = index - k * width;
  ${[...taps, ...columns, ...stores].join("\n  ")}
}
`;
}

/**
 * Writes the kernel of the convolution with transformed weights.
 *
 * Nothing is stored between the stages, since stores are what a software
 * adapter is slowest at. A workgroup is one subgroup, as in the shuffle member
 * of `tile.wgsl.ts`: a lane owns four columns of all its tiles; the lane also
 * transforms the pixels of the tile of its own number, and a shuffle with a
 * constant index hands them to all. The places of one row i of the transform
 * are summed together, one row after the other.
 *
 * Bindings: a (the image), b (the transformed weights), c, and bias, pre
 * and residual where the variant has them.
 *
 * @param variant which member
 * @returns WGSL text without `lib/quotient.wgsl`, and without
 *   `lib/math.wgsl`, which activations need
 */
export function winogradKernel(variant: WinogradVariant): string {
  const { lanes, tiles } = variant;
  const rows = range(tiles);
  const sets = range(tiles / lanes);
  const starts = sets.flatMap((set) => {
    const index = `tile0 + ${set * lanes}u + lane`;
    return [
      `let own${set} = tileOf(${index});`,
      ...["top", "bottom"].flatMap((line) =>
        range(6).map((x) =>
          `let ${line}${set}_${x} = locate(own${set}, ${line}, ${x}u);`
        )
      ),
    ];
  });
  const pixels = sets.flatMap((set) => [
    ...range(6).map((x) =>
      `let h${set}_${x} = aAt(top${set}_${x} + k4) + sign * aAt(bottom${set}_${x} + k4);`
    ),
    ...times(B4, range(6).map((x) => `h${set}_${x}`))
      .map((sum, j) => `let v${set}_${j} = ${sum};`),
  ]);
  const sums = range(6).flatMap((j) => [
    ...range(4).map((k) =>
      `let b${j}_${k} = bAt(u + ${j}u * plane + ${k}u * params.pitchB);`
    ),
    ...rows.map((row) => {
      const value = `v${Math.floor(row / lanes)}_${j}`;
      const terms = AXES.map((axis, k) =>
        `subgroupShuffle(${value}.${axis}, shelf + ${
          row % lanes
        }u) * b${j}_${k}`
      );
      return `m${j}_${row} += ${terms.join(" + ")};`;
    }),
  ]);
  const results = rows.flatMap((row) =>
    times(A4, range(6).map((j) => `m${j}_${row}`)).flatMap((sum, x) => [
      `let z${x}_${row} = ${sum};`,
      `y${x}_${row} += upper * z${x}_${row};`,
      `y${4 + x}_${row} += lower * z${x}_${row};`,
    ])
  );
  return `// Convolution by Winograd's minimal filtering.
struct Params {
  rows: u32,
  columns: u32,
  pitchA: u32,
  pitchB: u32,
  tiles: u32,
  tilesY: u32,
  tilesX: u32,
  gridHeight: u32,
  gridWidth: u32,
  sourceHeight: u32,
  sourceWidth: u32,
  padY: i32,
  padX: i32,
}

@group(0) @binding(0) var<uniform> params: Params;
${operand("a", 1, "texels")}
${operand("b", 2, "texels")}
${epilogue({ ...variant, wide: true, source: "texels" })}

${opaque}
// Beyond every texture, where reads give zero; more than the texels of a pixel
// before the end of the numbers.
const NOWHERE: u32 = 0x80000000u;

struct Tile {
  sample: u32,
  y: u32,
  x: u32,
}

// First result of a tile.
fn tileOf(tile: u32) -> Tile {
  let line = quotient(tile, params.tilesX);
  let sample = quotient(line, params.tilesY);
  let y = (line - sample * params.tilesY) * ${TILE[0]}u;
  return Tile(sample, y, (tile - line * params.tilesX) * ${TILE[1]}u);
}

// First texel of a pixel that a tile meets.
fn locate(tile: Tile, y: u32, x: u32) -> u32 {
  let atY = i32(tile.y + y) - params.padY;
  let atX = i32(tile.x + x) - params.padX;
  let isInside = atY >= 0 && atY < i32(params.sourceHeight) && atX >= 0 &&
    atX < i32(params.sourceWidth);
  let line = tile.sample * params.sourceHeight + u32(atY);
  return select(
    NOWHERE,
    (line * params.sourceWidth + u32(atX)) * params.pitchA,
    isInside,
  );
}

@compute @workgroup_size(${lanes})
fn product(
  @builtin(workgroup_id) group: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  // A constant, but only the driver's compiler knows; see tile.wgsl.ts.
  let shelf = lane >> 5u;
  let pitchA = opaque(params.pitchA, group);
  let tile0 = group.x * ${tiles}u;
  let n4 = group.y * ${lanes}u + lane;
  let plane = 4u * params.pitchA * params.pitchB;
  ${
    rows.flatMap((row) => range(8).map((p) => `var y${p}_${row} = vec4f();`))
      .join("\n  ")
  }
  for (var i = 0u; i < 4u; i++) {
    // Rows of B2: pixels 0 - 2, 1 + 2, 2 - 1 and 1 - 3.
    let top = vec4u(0u, 1u, 2u, 1u)[i];
    let bottom = vec4u(2u, 2u, 1u, 3u)[i];
    let sign = vec4f(-1.0, 1.0, -1.0, -1.0)[i];
    ${starts.join("\n    ")}
    ${
    rows.flatMap((row) => range(6).map((j) => `var m${j}_${row} = vec4f();`))
      .join("\n    ")
  }
    var u = i * 6u * plane + n4;
    for (var k4 = 0u; k4 < pitchA; k4++) {
      ${[...pixels, ...sums].join("\n      ")}
      u += 4u * params.pitchB;
    }
    // Columns of A2.
    let upper = vec4f(1.0, 1.0, 1.0, 0.0)[i];
    let lower = vec4f(0.0, 1.0, -1.0, -1.0)[i];
    ${results.join("\n    ")}
  }
  let extra = addend(n4);
  // Each turn stores the first result of all tiles and moves the others up:
  // unrolled, the stores would take most of the compiler's time.
  for (var p = 0u; p < 8u; p++) {
    ${
    rows.map((row) =>
      `store(tile0 + ${row}u, p, n4, y0_${row} + extra);${
        range(7).map((q) => ` y${q}_${row} = y${q + 1}_${row};`).join("")
      }`
    ).join("\n    ")
  }
  }
}

// Stores result p of a tile.
fn store(index: u32, p: u32, n4: u32, value: vec4f) {
  let tile = tileOf(index);
  let y = tile.y + (p >> 2u);
  let x = tile.x + (p & 3u);
  if (index < params.tiles && y < params.gridHeight && x < params.gridWidth) {
    let line = tile.sample * params.gridHeight + y;
    finish(line * params.gridWidth + x, n4, 0u, value);
  }
}
`;
}
