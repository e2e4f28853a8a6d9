/**
 * Attention kernels that never write the T x T scores.
 *
 *   o(t) = sum_s p(t, s) v(s),  p(t, s) = e^(scale q(t) k(s) - lse(t))
 *   lse(t) = ln sum_s e^(scale q(t) k(s)),  by running maximum and sum
 *   delta(t) = do(t) o(t)
 *   ds(t, s) = p(t, s) (do(t) v(s) - delta(t)) scale
 *   dq(t) = sum_s ds k(s),  dk(s) = sum_t ds q(t),  dv(s) = sum_t p do(t)
 *
 * One invocation owns one query (gradient of keys and values: one key) of one
 * head, with its vectors in registers, and walks the other side four at a
 * time. Vectors of the other side are equal for all invocations. Two members:
 *
 * - `shuffle`: one subgroup per workgroup; each lane loads one texel of the
 *   four vectors, and shuffles hand them around.
 * - `direct`: every invocation loads every texel, which GPUs serve from cache.
 *
 * Dao et al. 2022; Milakov & Gimelshein 2018 for the running sum.
 *
 * @module
 */

import opaque from "./lib/opaque.wgsl" with { type: "text" };
import { operand } from "./matmul.wgsl.ts";

/** One member of the family. */
export interface AttentionVariant {
  /** What is computed. */
  readonly pass: "forward" | "query" | "keyValue";
  /** Texels of a head's vector: head size / 4, rounded up; 1 to 16. */
  readonly texels: number;
  /** How the other side's vectors reach an invocation. */
  readonly member: "shuffle" | "direct";
  /** Invocations per workgroup; the subgroup size for `shuffle`. */
  readonly lanes: number;
  /** Where operands are read from. */
  readonly source: "texels" | "buffer";
}

const STEPS = 4;

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Loads of one operand for four steps, and how a vector of them is read. */
interface Walk {
  /** Statements that load. */
  readonly loads: string;
  /** Expression of texel `c` of step `j`. */
  readonly fetch: (j: number, c: number) => string;
}

/**
 * Loads past the last token repeat it. Where weights of 0 multiply what is
 * loaded, it must be zero instead, lest infinity become NaN.
 *
 * @param name operand, whose token `s` begins at `NAMEBase + s * params.pitchNAME`
 * @param first expression of the first of the four tokens
 * @param count expression of the number of tokens
 * @param isWeighed whether loads past the last token are zero
 */
function walk(
  variant: AttentionVariant,
  name: string,
  pitch: string,
  count: string,
  isWeighed = false,
): Walk {
  const { texels, lanes, member } = variant;
  const load = (index: string, step: string) =>
    isWeighed
      ? `select(vec4f(), ${name}At(${index}), s + ${step} < ${count})`
      : `${name}At(${index})`;
  if (member === "direct") {
    const loads = range(STEPS).map((j) =>
      `let ${name}Row${j} = ${name}Base + min(s + ${j}u, ${count} - 1u) * ${pitch};`
    );
    return {
      loads: loads.join("\n    "),
      fetch: (j, c) => load(`${name}Row${j} + ${c}u`, `${j}u`),
    };
  }
  const total = STEPS * texels;
  const loads = range(Math.ceil(total / lanes)).map((i) => {
    const e = `(lane + ${i * lanes}u)`;
    const index =
      `${name}Base + min(s + ${e} / ${texels}u, ${count} - 1u) * ${pitch} + ${e} % ${texels}u`;
    return `let ${name}Load${i} = ${load(index, `${e} / ${texels}u`)};`;
  });
  return {
    loads: loads.join("\n    "),
    fetch: (j, c) => {
      const e = j * texels + c;
      return `subgroupShuffle(${name}Load${Math.floor(e / lanes)}, zero + ${
        e % lanes
      }u)`;
    },
  };
}

/** An expression that sums products of texels. */
function dotProduct(
  texels: number,
  own: string,
  fetch: (c: number) => string,
): string {
  return range(texels).map((c) => `dot(${own}${c}, ${fetch(c)})`).join(" + ");
}

/**
 * Writes the kernel of one variant, entry `attend`.
 *
 * Only what the loops read comes from textures: a stage may bind four.
 *
 * Bindings: q, k, v, out, lse (forward); q, k, v, o, grad, lse, out, delta
 * (query); q, k, v, grad, lse, delta, out (keyValue). Token vectors begin at
 * offset + token * pitch texels of their operand; head and batch add to that.
 *
 * @param variant which member
 * @returns WGSL text
 */
export function attentionKernel(variant: AttentionVariant): string {
  const { texels, lanes, member, pass, source } = variant;
  const c = range(texels);
  const bases = `
  let head = group.y;
  let sample = group.z;
  let qBase = sample * params.queries * params.pitchQ + params.offsetQ + head * ${texels}u;
  let kBase = sample * params.keys * params.pitchKV + params.offsetK + head * ${texels}u;
  let vBase = sample * params.keys * params.pitchKV + params.offsetV + head * ${texels}u;
  let oBase = (sample * params.queries * params.heads + head) * ${texels}u;
  let statBase = (sample * params.heads + head) * params.padded;`;
  const body = pass === "forward"
    ? forward(variant, c)
    : pass === "query"
    ? query(variant, c)
    : keyValue(variant, c);
  const outputs = pass === "forward"
    ? "@group(0) @binding(6) var<storage, read_write> lse: array<f32>;"
    : pass === "query"
    ? `${operand("o", 4, "buffer")}
${operand("grad", 5, source)}
@group(0) @binding(6) var<storage, read> lse: array<f32>;
@group(0) @binding(7) var<storage, read_write> delta: array<f32>;`
    : `${operand("grad", 5, source)}
${operand("lse", 6, "buffer")}
${operand("delta", 7, "buffer")}`;
  return `// Attention, ${pass} pass.
struct Params {
  queries: u32,
  keys: u32,
  padded: u32,
  heads: u32,
  pitchQ: u32,
  offsetQ: u32,
  pitchKV: u32,
  offsetK: u32,
  offsetV: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
${operand("q", 1, source)}
${operand("k", 2, source)}
${operand("v", 3, source)}
${outputs}
@group(0) @binding(8) var<storage, read_write> out: array<vec4f>;

${opaque}
// Above minus infinity, which exp(LOWEST - LOWEST) must not become NaN for.
const LOWEST: f32 = -3.4028234e38;

@compute @workgroup_size(${lanes})
fn attend(
  @builtin(workgroup_id) group: vec3u,
  ${
    member === "shuffle"
      ? "@builtin(subgroup_invocation_id) lane: u32,"
      : "@builtin(local_invocation_index) lane: u32,"
  }
) {
  // Always 0, but only the driver's compiler knows; see tile.wgsl.ts.
  let zero = lane >> 6u;${bases}
${body}
}
`;
}

function forward(variant: AttentionVariant, c: readonly number[]): string {
  const { texels, lanes } = variant;
  const keys = walk(variant, "k", "params.pitchKV", "params.keys");
  const values = walk(variant, "v", "params.pitchKV", "params.keys", true);
  return `
  let keys = opaque(params.keys, group);
  let t = group.x * ${lanes}u + lane;
  let row = qBase + min(t, params.queries - 1u) * params.pitchQ;
  ${c.map((i) => `let q${i} = qAt(row + ${i}u) * params.scale;`).join("\n  ")}
  ${c.map((i) => `var o${i} = vec4f();`).join("\n  ")}
  var largest = LOWEST;
  var total = 0.0;
  for (var s = 0u; s < keys; s += ${STEPS}u) {
    ${keys.loads}
    ${values.loads}
    let score = vec4f(
      ${
    range(STEPS).map((j) => dotProduct(texels, "q", (i) => keys.fetch(j, i)))
      .join(",\n      ")
  },
    );
    let next = max(largest, max(max(score.x, score.y), max(score.z, score.w)));
    let keep = exp(largest - next);
    // Keys past the last repeat it: they leave the maximum as it is.
    let p = select(
      vec4f(),
      exp(score - next),
      vec4u(s) + vec4u(0u, 1u, 2u, 3u) < vec4u(params.keys),
    );
    largest = next;
    total = total * keep + ((p.x + p.y) + (p.z + p.w));
    ${
    c.map((i) =>
      `o${i} = o${i} * keep + (p.x * ${values.fetch(0, i)} + p.y * ${
        values.fetch(1, i)
      } + p.z * ${values.fetch(2, i)} + p.w * ${values.fetch(3, i)});`
    ).join("\n    ")
  }
  }
  if (t < params.padded) {
    // Padding gets weight 0 in the gradient: e^(score + LOWEST).
    lse[statBase + t] = select(-LOWEST, largest + log(total), t < params.queries);
  }
  if (t < params.queries) {
    let to = oBase + t * params.heads * ${texels}u;
    ${c.map((i) => `out[to + ${i}u] = o${i} / total;`).join("\n    ")}
  }`;
}

function query(variant: AttentionVariant, c: readonly number[]): string {
  const { texels, lanes } = variant;
  const keys = walk(variant, "k", "params.pitchKV", "params.keys");
  const values = walk(variant, "v", "params.pitchKV", "params.keys");
  return `
  let keys = opaque(params.keys, group);
  let t = group.x * ${lanes}u + lane;
  let bounded = min(t, params.queries - 1u);
  let row = qBase + bounded * params.pitchQ;
  let oRow = oBase + bounded * params.heads * ${texels}u;
  ${c.map((i) => `let q${i} = qAt(row + ${i}u) * params.scale;`).join("\n  ")}
  ${c.map((i) => `let g${i} = gradAt(oRow + ${i}u);`).join("\n  ")}
  ${c.map((i) => `var d${i} = vec4f();`).join("\n  ")}
  let own = ${dotProduct(texels, "g", (i) => `oAt(oRow + ${i}u)`)};
  let norm = lse[statBase + bounded];
  for (var s = 0u; s < keys; s += ${STEPS}u) {
    ${keys.loads}
    ${values.loads}
    let score = vec4f(
      ${
    range(STEPS).map((j) => dotProduct(texels, "q", (i) => keys.fetch(j, i)))
      .join(",\n      ")
  },
    );
    let dp = vec4f(
      ${
    range(STEPS).map((j) => dotProduct(texels, "g", (i) => values.fetch(j, i)))
      .join(",\n      ")
  },
    );
    let ds = select(
      vec4f(),
      exp(score - norm) * (dp - own) * params.scale,
      vec4u(s) + vec4u(0u, 1u, 2u, 3u) < vec4u(params.keys),
    );
    ${
    c.map((i) =>
      `d${i} += ds.x * ${keys.fetch(0, i)} + ds.y * ${
        keys.fetch(1, i)
      } + ds.z * ${keys.fetch(2, i)} + ds.w * ${keys.fetch(3, i)};`
    ).join("\n    ")
  }
  }
  if (t < params.padded) {
    delta[statBase + t] = select(0.0, own, t < params.queries);
  }
  if (t < params.queries) {
    ${c.map((i) => `out[row + ${i}u] = d${i};`).join("\n    ")}
  }`;
}

function keyValue(variant: AttentionVariant, c: readonly number[]): string {
  const { texels, lanes } = variant;
  const queries = walk(variant, "q", "params.pitchQ", "params.queries");
  const grads = walk(
    variant,
    "grad",
    `(params.heads * ${texels}u)`,
    "params.queries",
    true,
  );
  return `
  let queries = opaque(params.queries, group);
  let gradBase = oBase;
  let t = group.x * ${lanes}u + lane;
  let bounded = min(t, params.keys - 1u);
  let kRow = kBase + bounded * params.pitchKV;
  let vRow = vBase + bounded * params.pitchKV;
  ${c.map((i) => `let k${i} = kAt(kRow + ${i}u) * params.scale;`).join("\n  ")}
  ${c.map((i) => `let v${i} = vAt(vRow + ${i}u);`).join("\n  ")}
  ${c.map((i) => `var dk${i} = vec4f();`).join("\n  ")}
  ${c.map((i) => `var dv${i} = vec4f();`).join("\n  ")}
  for (var s = 0u; s < queries; s += ${STEPS}u) {
    ${queries.loads}
    ${grads.loads}
    let norm = lseAt((statBase + s) >> 2u);
    let own = deltaAt((statBase + s) >> 2u);
    let score = vec4f(
      ${
    range(STEPS).map((j) => dotProduct(texels, "k", (i) => queries.fetch(j, i)))
      .join(",\n      ")
  },
    );
    let dp = vec4f(
      ${
    range(STEPS).map((j) => dotProduct(texels, "v", (i) => grads.fetch(j, i)))
      .join(",\n      ")
  },
    );
    let p = exp(score - norm);
    let ds = p * (dp - own) * params.scale;
    ${
    c.map((i) =>
      `dk${i} += ds.x * ${queries.fetch(0, i)} + ds.y * ${
        queries.fetch(1, i)
      } + ds.z * ${queries.fetch(2, i)} + ds.w * ${queries.fetch(3, i)};
    dv${i} += p.x * ${grads.fetch(0, i)} + p.y * ${grads.fetch(1, i)} + p.z * ${
        grads.fetch(2, i)
      } + p.w * ${grads.fetch(3, i)};`
    ).join("\n    ")
  }
  }
  if (t < params.keys) {
    ${c.map((i) => `out[kRow + ${i}u] = dk${i};`).join("\n    ")}
    ${c.map((i) => `out[vRow + ${i}u] = dv${i};`).join("\n    ")}
  }`;
}
