/**
 * Generator of matrix product kernels: C(m, n) = sum over k of A(m, k) B(k, n).
 *
 * Neither naga nor the software driver unrolls loops, so a fast product is an
 * unrolled register tile, and only a generator can write that. Two members:
 *
 * - `shuffle`: one subgroup per workgroup. A lane owns four columns and all
 *   rows of a tile; it loads one texel of A, and a subgroup shuffle with a
 *   constant index broadcasts each value. No barriers, no workgroup memory:
 *   the member for Mesa's llvmpipe, where both cost a factor of ten.
 * - `shared`: tiles of A and B in workgroup memory, 4 x 4 or 8 x 4 results per
 *   invocation: the member for GPUs and for adapters without subgroups.
 *
 * An operator supplies loaders, which say where A and B come from, and an
 * epilogue, which says what happens to a result.
 *
 * @module
 */

import opaque from "./lib/opaque.wgsl" with { type: "text" };

/** Which member of the family, and its sizes. */
export type Tile = ShuffleTile | SharedTile;

/** A register tile with subgroup broadcasts. */
export interface ShuffleTile {
  /** Discriminates the family. */
  readonly member: "shuffle";
  /** Lanes of the subgroup and of the workgroup: 8, 16 or 32. */
  readonly lanes: number;
  /** Rows per workgroup: 4 to 64, a multiple of 4. */
  readonly rows: number;
  /**
   * Whether lanes lie over the rows of C instead and `rows` counts its
   * columns: for few columns. A and B change places in the body, so that the
   * problem's `a` describes B transposed; results are turned before they are
   * stored. Default false.
   */
  readonly turned?: boolean;
}

/** A tile in workgroup memory. */
export interface SharedTile {
  /** Discriminates the family. */
  readonly member: "shared";
  /** Rows per workgroup. */
  readonly rows: number;
  /** Columns per workgroup. */
  readonly columns: number;
  /** Steps of k that are staged together, a multiple of 4. */
  readonly depth: number;
  /** Rows per invocation; columns per invocation are 4. */
  readonly rowsEach: number;
}

/** What is computed, apart from sizes. */
export interface TileProblem {
  /**
   * How a value of A is laid out: `row` loads four steps of k of one row,
   * `column` loads four rows at one step of k.
   */
  readonly a: "row" | "column";
  /**
   * How a value of B is laid out: `row` loads four columns at one step of k,
   * `column` loads four steps of k of one column.
   */
  readonly b: "row" | "column";
  /** Declarations: bindings, Params and the functions the body calls. */
  readonly declarations: string;
  /**
   * Whether k runs over several parts of `params.depth` steps, such as the
   * taps of a convolution; their number is `params.parts`.
   */
  readonly parts?: boolean;
  /** Whether k may end inside a texel or tile, so that loads must be masked. */
  readonly tail: boolean;
  /**
   * Whether the rows of A are summed too, for column A and a shuffle tile
   * whose rows are a power of two: the gradient of a bias for free.
   */
  readonly rowSums?: boolean;
}

/**
 * Number of workgroups for a product.
 *
 * @param tile the member
 * @param rows rows of C
 * @param columns columns of C
 */
export function tileGrid(
  tile: Tile,
  rows: number,
  columns: number,
): readonly [x: number, y: number] {
  if (tile.member === "shared") {
    return [Math.ceil(rows / tile.rows), Math.ceil(columns / tile.columns)];
  }
  const width = 4 * tile.lanes;
  return tile.turned
    ? [Math.ceil(columns / tile.rows), Math.ceil(rows / width)]
    : [Math.ceil(rows / tile.rows), Math.ceil(columns / width)];
}

/**
 * Whether tiles cover a product exactly, so that no result needs a check.
 *
 * @param tile the member
 * @param rows rows of C
 * @param columns columns of C
 */
export function tileFits(tile: Tile, rows: number, columns: number): boolean {
  if (tile.member === "shared") {
    return rows % tile.rows === 0 && columns % tile.columns === 0;
  }
  const [short, long] = tile.turned ? [columns, rows] : [rows, columns];
  return short % tile.rows === 0 && long % (4 * tile.lanes) === 0;
}

/**
 * Writes the kernel `product` of one member.
 *
 * The declarations must contain, with `k` a step and `k4` a quarter of one:
 * - for row A, `fn locate(m: u32, part: u32, batch: u32) -> u32`, where a row
 *   begins, and `fn loadA(start: u32, k4: u32) -> vec4f`; for column A,
 *   `fn loadA(m4: u32, k: u32, batch: u32) -> vec4f`
 * - `fn loadB(n4: u32, k: u32, batch: u32) -> vec4f`, or for column B
 *   `fn loadB(n: u32, k4: u32, batch: u32) -> vec4f`, k counted over all parts
 * - `fn addend(n4: u32) -> vec4f`, what four columns of every row get, and
 *   `fn finish(m: u32, n4: u32, batch: u32, value: vec4f)`
 * - with row sums, `fn finishRows(m4: u32, total: vec4f)`
 * - `params.depth`, the number of steps of k
 *
 * @param problem what is computed
 * @param tile how
 * @returns WGSL text with the entry `product`
 */
export function tileKernel(problem: TileProblem, tile: Tile): string {
  const body = tile.member === "shuffle"
    ? shuffleBody(problem, tile)
    : sharedBody(problem, tile);
  return `${problem.declarations}\n${opaque}${body}`;
}

const AXES = ["x", "y", "z", "w"] as const;

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Opens the loop over parts, or stands in for it. */
function overParts(problem: TileProblem, starts: readonly string[]): string {
  if (!problem.parts) return ["let part = 0u;", ...starts].join("\n  ");
  return [
    "let parts = opaque(params.parts, group);",
    "for (var part = 0u; part < parts; part++) {",
    "let first = part * params.depth;",
    ...starts,
  ].join("\n  ");
}

function shuffleBody(problem: TileProblem, tile: ShuffleTile): string {
  const { lanes, rows } = tile;
  const quads = rows / 4;
  // Texels of A that one lane loads for four steps of k.
  const loads = problem.a === "row"
    ? Math.ceil(rows / lanes)
    : quads * 4 / lanes;
  const lines: string[] = [];
  const sums: string[] = [];
  for (const b of range(Math.ceil(loads))) {
    lines.push(
      problem.a === "row"
        ? `let a${b} = loadA(start${b}, k >> 2u);`
        : `let a${b} = loadA((m0 >> 2u) + (lane + ${
          b * lanes
        }u) % ${quads}u, k + (lane + ${b * lanes}u) / ${quads}u, batch);`,
    );
    if (problem.rowSums) {
      // Lanes past the four steps hold values of the next ones.
      const share = 4 * quads < lanes
        ? `select(vec4f(), a${b}, lane < ${4 * quads}u)`
        : `a${b}`;
      sums.push(`rowSum += ${share};`);
    }
  }
  for (const j of range(4)) {
    lines.push(
      problem.b === "row"
        ? `let b${j} = loadB(n4, ${
          problem.parts ? "first + " : ""
        }k + ${j}u, batch);`
        : `let t${j} = loadB(n4 * 4u + ${j}u, k >> 2u, batch);`,
    );
  }
  if (problem.b === "column") {
    range(4).forEach((j) =>
      lines.push(
        `let b${j} = vec4f(t0.${AXES[j]}, t1.${AXES[j]}, t2.${AXES[j]}, t3.${
          AXES[j]
        });`,
      )
    );
  }
  for (const row of range(rows)) {
    const terms = range(4).map((j) => {
      const slot = problem.a === "row" ? row : j * quads + Math.floor(row / 4);
      const axis = problem.a === "row" ? AXES[j] : AXES[row % 4];
      const load = Math.floor(slot / lanes);
      return `subgroupShuffle(a${load}.${axis}, shelf + ${
        slot % lanes
      }u) * b${j}`;
    });
    // Each accumulator is touched once per iteration: the driver blends loop
    // variables with the execution mask at its end.
    lines.push(`c${row} += ${terms.join(" + ")};`);
  }
  const starts = problem.a === "row"
    ? range(Math.ceil(loads)).map((b) =>
      `let start${b} = locate(m0 + ${b * lanes}u + lane, part, batch);`
    )
    : [];
  return `
@compute @workgroup_size(${lanes})
fn product(
  @builtin(workgroup_id) group: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  // A constant, but only the driver's compiler knows: the shuffle index becomes
  // one there, and naga does not fold it to a slower broadcast.
  let shelf = lane >> 5u;
  let m0 = group.x * ${rows}u;
  let n4 = group.y * ${lanes}u + lane;
  let batch = group.z;
  let depth = opaque(params.depth, group);
  ${range(rows).map((row) => `var c${row} = vec4f();`).join("\n  ")}
  ${problem.rowSums ? "var rowSum = vec4f();" : ""}
  ${overParts(problem, starts)}
  for (var k = 0u; k < depth; k += 4u) {
    ${[...lines, ...sums].join("\n    ")}
  }${problem.parts ? "}" : ""}
  ${problem.rowSums ? rowSumEnd(lanes, quads) : ""}
  ${tile.turned ? turnedEnd(rows) : straightEnd(rows)}
}
`;
}

/** Rows that are stored in one turn. */
const TURN = 8;

/**
 * Stores the rows of a lane as they are. Each turn stores the first few and
 * moves the others up: unrolled, the stores would take most of the compiler's
 * time.
 */
function straightEnd(rows: number): string {
  const some = Math.min(TURN, rows);
  return [
    // Once for all rows: a load from a buffer costs as much as a store.
    "let extra = addend(n4);",
    `for (var row = 0u; row < ${rows}u; row += ${some}u) {`,
    ...range(some).map((row) =>
      `finish(m0 + row + ${row}u, n4, batch, c${row} + extra);`
    ),
    ...range(rows - some).map((row) => `c${row} = c${row + some};`),
    "}",
  ].join("\n  ");
}

/** Stores four accumulators at a time as four neighbours of a row of C. */
function turnedEnd(rows: number): string {
  return range(rows / 4).flatMap((q) => [
    `let extra${q} = addend((m0 >> 2u) + ${q}u);`,
    ...AXES.map((axis, j) => {
      const four = range(4).map((i) => `c${4 * q + i}.${axis}`).join(", ");
      return `finish(n4 * 4u + ${j}u, (m0 >> 2u) + ${q}u, batch, vec4f(${four}) + extra${q});`;
    }),
  ]).join("\n  ");
}

/**
 * Adds what the lanes summed of A, each over its share of k, and stores it
 * once. Lane l holds four rows, those of quad l mod quads.
 */
function rowSumEnd(lanes: number, quads: number): string {
  const steps: string[] = [];
  for (let distance = quads; distance < lanes; distance *= 2) {
    steps.push(`rowSum += subgroupShuffle(rowSum, lane ^ ${distance}u);`);
  }
  // A shuffle inside the branch would take the software driver 10 times longer.
  return [
    ...steps,
    `if (group.y == 0u && lane < ${quads}u) { finishRows((m0 >> 2u) + lane, rowSum); }`,
  ].join("\n  ");
}

function sharedBody(problem: TileProblem, tile: SharedTile): string {
  const { rows, columns, depth, rowsEach } = tile;
  const threadsX = columns / 4;
  const threads = threadsX * (rows / rowsEach);
  const mask = (condition: string, value: string) =>
    problem.tail ? `select(vec4f(), ${value}, ${condition})` : value;
  const stageA = problem.a === "row"
    ? `
    for (var i = lane; i < ${rows * depth / 4}u; i += ${threads}u) {
      let m = i % ${rows}u;
      let q = i / ${rows}u;
      let value = ${
      mask(
        "k + q * 4u < params.depth",
        `loadA(locate(m0 + m, part, batch), (k >> 2u) + q)`,
      )
    };
      tileA[(q * 4u + 0u) * ${rows}u + m] = value.x;
      tileA[(q * 4u + 1u) * ${rows}u + m] = value.y;
      tileA[(q * 4u + 2u) * ${rows}u + m] = value.z;
      tileA[(q * 4u + 3u) * ${rows}u + m] = value.w;
    }`
    : `
    for (var i = lane; i < ${rows * depth / 4}u; i += ${threads}u) {
      let q = i % ${rows / 4}u;
      let step = i / ${rows / 4}u;
      let value = ${
      mask("k + step < params.depth", `loadA((m0 >> 2u) + q, k + step, batch)`)
    };
      tileA[step * ${rows}u + q * 4u + 0u] = value.x;
      tileA[step * ${rows}u + q * 4u + 1u] = value.y;
      tileA[step * ${rows}u + q * 4u + 2u] = value.z;
      tileA[step * ${rows}u + q * 4u + 3u] = value.w;
    }`;
  const stageB = problem.b === "row"
    ? `
    for (var i = lane; i < ${depth * threadsX}u; i += ${threads}u) {
      let n = i % ${threadsX}u;
      let step = i / ${threadsX}u;
      tileB[i] = ${
      mask(
        "k + step < params.depth",
        `loadB(group.y * ${threadsX}u + n, ${
          problem.parts ? "first + " : ""
        }k + step, batch)`,
      )
    };
    }`
    : `
    for (var i = lane; i < ${depth * threadsX}u; i += ${threads}u) {
      let n = i % ${columns}u;
      let q = i / ${columns}u;
      let value = ${
      mask(
        "k + q * 4u < params.depth",
        `loadB(group.y * ${columns}u + n, (k >> 2u) + q, batch)`,
      )
    };
      tileB[(q * 4u + 0u) * ${threadsX}u + n / 4u][n % 4u] = value.x;
      tileB[(q * 4u + 1u) * ${threadsX}u + n / 4u][n % 4u] = value.y;
      tileB[(q * 4u + 2u) * ${threadsX}u + n / 4u][n % 4u] = value.z;
      tileB[(q * 4u + 3u) * ${threadsX}u + n / 4u][n % 4u] = value.w;
    }`;
  const inner = range(rowsEach).map((row) =>
    `c${row} += tileA[step * ${rows}u + y * ${rowsEach}u + ${row}u] * b;`
  );
  return `
var<workgroup> tileA: array<f32, ${rows * depth}>;
var<workgroup> tileB: array<vec4f, ${depth * threadsX}>;

@compute @workgroup_size(${threads})
fn product(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let x = lane % ${threadsX}u;
  let y = lane / ${threadsX}u;
  let m0 = group.x * ${rows}u;
  let batch = group.z;
  let depth = opaque(params.depth, group);
  ${range(rowsEach).map((row) => `var c${row} = vec4f();`).join("\n  ")}
  ${overParts(problem, [])}
  for (var k = 0u; k < depth; k += ${depth}u) {${stageA}${stageB}
    workgroupBarrier();
    for (var step = 0u; step < ${depth}u; step++) {
      let b = tileB[step * ${threadsX}u + x];
      ${inner.join("\n      ")}
    }
    workgroupBarrier();
  }${problem.parts ? "}" : ""}
  let n4 = group.y * ${threadsX}u + x;
  let extra = addend(n4);
  ${
    range(rowsEach).map((row) =>
      `finish(m0 + y * ${rowsEach}u + ${row}u, n4, batch, c${row} + extra);`
    ).join("\n  ")
  }
}
`;
}
