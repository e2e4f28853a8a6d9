/**
 * Matrix product kernels: C = act(A B + bias), batched, with either operand
 * transposed.
 *
 *   C(b, m, n) = act( sum_k A(b, m, k) B(b, k, n) + bias(n) )
 *
 * A: (batch, rows, depth), or (batch, depth, rows) when transposed.
 * B: (batch, depth, columns), or (batch, columns, depth) when transposed.
 * C, pre: (batch, rows, columns). bias: (columns).
 * Rows of the operands are whole texels; the caller pads them.
 *
 * @module
 */

import { type Tile, tileKernel } from "./tile.wgsl.ts";

/** Functions that may be fused behind a product. */
export type Activation =
  | "none"
  | "relu"
  | "silu"
  | "gelu"
  | "geluTanh"
  | "quickGelu";

/** One member of the family. */
export interface MatmulVariant {
  /** Whether A is stored as (depth, rows). */
  readonly transposeA: boolean;
  /** Whether B is stored as (columns, depth). */
  readonly transposeB: boolean;
  /** Whether a bias is added. */
  readonly bias: boolean;
  /** What is applied to the sum. */
  readonly activation: Activation;
  /** Whether the sum before the activation is written too, for the gradient. */
  readonly keepPre: boolean;
  /**
   * Whether an array like C is added to the result; rows are then whole texels.
   */
  readonly residual?: boolean;
  /** Whether rows of C are whole texels. */
  readonly wide: boolean;
  /**
   * Whether tiles cover C exactly: without a check, a store takes a third less
   * time on the software driver. Default false.
   */
  readonly exact?: boolean;
  /** Whether depth is not a multiple of 4 (or of the staged depth). */
  readonly tail: boolean;
  /** Where operands are read from. */
  readonly source: "texels" | "buffer";
  /** Whether B is stored as 16-bit floats. */
  readonly halfB?: boolean;
  /** Whether the sums of A's rows are written too. */
  readonly rowSums?: boolean;
  /** The tile. */
  readonly tile: Tile;
}

/**
 * Declares a read-only operand of four floats at a time and `NAMEAt(i)`.
 *
 * @param name binding name
 * @param binding binding number
 * @param source texels or buffer
 * @param half whether the elements are 16-bit floats; a buffer of them needs
 *   `enable f16;` before all declarations
 */
export function operand(
  name: string,
  binding: number,
  source: "texels" | "buffer",
  half = false,
): string {
  if (source === "buffer") {
    const type = half ? "vec4<f16>" : "vec4f";
    return `@group(0) @binding(${binding}) var<storage, read> ${name}: array<${type}>;
fn ${name}At(i: u32) -> vec4f { return vec4f(${name}[i]); }`;
  }
  const format = half ? "rgba16float" : "rgba32float";
  return `@group(0) @binding(${binding}) var ${name}: texture_storage_2d<${format}, read>;
fn ${name}At(i: u32) -> vec4f { return textureLoad(${name}, vec2u(i & 1023u, i >> 10u)); }`;
}

/** The parts of a variant that say what happens to a sum. */
export type Epilogue = Pick<
  MatmulVariant,
  "bias" | "activation" | "keepPre" | "residual" | "wide" | "exact" | "source"
>;

/**
 * The functions `addend` and `finish`: bias, activation, residual and store.
 *
 * @param options parts of a variant
 */
export function epilogue(options: Epilogue): string {
  const { bias, activation, keepPre, residual, wide, exact, source } = options;
  const store = (target: string, value: string) =>
    wide ? `${target}[(base + n4 * 4u) >> 2u] = ${value};` : `
  for (var j = 0u; j < min(4u, params.columns - n4 * 4u); j++) {
    ${target}[base + n4 * 4u + j] = ${value}[j];
  }`;
  const element = wide ? "vec4f" : "f32";
  return `
@group(0) @binding(3) var<storage, read_write> c: array<${element}>;
${
    bias
      ? `${operand("bias", 4, "buffer")}
fn addend(n4: u32) -> vec4f { return biasAt(n4); }`
      : "fn addend(n4: u32) -> vec4f { return vec4f(); }"
  }
${
    keepPre
      ? `@group(0) @binding(5) var<storage, read_write> pre: array<${element}>;`
      : ""
  }
${residual ? operand("residual", 6, source) : ""}
fn finish(m: u32, n4: u32, batch: u32, value: vec4f) {
  ${
    exact ? "" : `if (m >= params.rows || n4 * 4u >= params.columns) {
    return;
  }`
  }
  let base = (batch * params.rows + m) * params.columns;
  ${keepPre ? store("pre", "value") : ""}
  let result = ${activation === "none" ? "value" : `${activation}(value)`}${
    residual ? " + residualAt((base + n4 * 4u) >> 2u)" : ""
  };
  ${store("c", "result")}
}
`;
}

/**
 * Writes the kernel of one variant.
 *
 * Bindings: a, b, c, and bias, pre and rowSums (rows) where the variant has
 * them. Params: rows, columns, depth, and the texels from row to row and batch to batch.
 *
 * @param variant which member
 * @returns WGSL text without `lib/math.wgsl`, which activations need
 */
export function matmulKernel(variant: MatmulVariant): string {
  const { transposeA, transposeB, tail, source, tile, rowSums } = variant;
  const turned = tile.member === "shuffle" && tile.turned === true;
  // C^T = B^T A^T: in a turned tile the operands change places.
  const left = turned
    ? { name: "b", suffix: "B", transposed: !transposeB }
    : { name: "a", suffix: "A", transposed: transposeA };
  const right = turned
    ? { name: "a", suffix: "A", transposed: !transposeA }
    : { name: "b", suffix: "B", transposed: transposeB };
  const masked = (load: string, condition: string) =>
    tail ? `select(vec4f(), ${load}, ${condition})` : load;
  const start = ({ suffix }: typeof left) => `batch * params.batch${suffix}`;
  const loadA = left.transposed
    ? `fn loadA(m4: u32, k: u32, batch: u32) -> vec4f {
  return ${
      masked(
        `${left.name}At(${start(left)} + k * params.pitch${left.suffix} + m4)`,
        "k < params.depth",
      )
    };
}`
    : `fn locate(m: u32, part: u32, batch: u32) -> u32 {
  return ${start(left)} + m * params.pitch${left.suffix};
}
fn loadA(start: u32, k4: u32) -> vec4f {
  return ${left.name}At(start + k4);
}`;
  const loadB = right.transposed
    ? `fn loadB(n: u32, k4: u32, batch: u32) -> vec4f {
  return ${right.name}At(${
      start(right)
    } + n * params.pitch${right.suffix} + k4);
}`
    : `fn loadB(n4: u32, k: u32, batch: u32) -> vec4f {
  return ${
      masked(
        `${right.name}At(${
          start(right)
        } + k * params.pitch${right.suffix} + n4)`,
        "k < params.depth",
      )
    };
}`;
  const declarations = `// ${title(variant)}
struct Params {
  rows: u32,
  columns: u32,
  depth: u32,
  pitchA: u32,
  pitchB: u32,
  batchA: u32,
  batchB: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
${operand("a", 1, source)}
${operand("b", 2, source, variant.halfB)}
${loadA}
${loadB}
${epilogue(variant)}
${
    rowSums
      ? `@group(0) @binding(7) var<storage, read_write> rowSums: array<vec4f>;
fn finishRows(m4: u32, total: vec4f) {
  if (m4 * 4u < params.rows) {
    rowSums[m4] = total;
  }
}`
      : ""
  }`;
  return tileKernel(
    {
      a: left.transposed ? "column" : "row",
      b: right.transposed ? "column" : "row",
      declarations,
      tail,
      ...(rowSums ? { rowSums } : {}),
    },
    tile,
  );
}

function title(variant: MatmulVariant): string {
  const a = variant.transposeA ? "A^T" : "A";
  const b = variant.transposeB ? "B^T" : "B";
  const sum = `${a} ${b}${variant.bias ? " + bias" : ""}`;
  return variant.activation === "none"
    ? `C = ${sum}`
    : `C = ${variant.activation}(${sum})`;
}
