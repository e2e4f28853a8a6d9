import {
  attentionKernel,
  type AttentionVariant,
} from "../../kernels/attention.wgsl.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { ceilDiv, checkLoop, groupRanges } from "../gpu/grid.ts";
import { defineShader, shaderFamily } from "../gpu/shader.ts";
import { partOf } from "../gpu/storage.ts";
import { record } from "../tensor/autograd.ts";
import { empty } from "../tensor/create.ts";
import { type Shape, showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { concat } from "./concat.ts";
import { alignRows, cropRows } from "./copy_rows.ts";

/** Features of a head that fit the kernels' registers. */
const MAX_HEAD = 64;

const attentionShader = shaderFamily((variant: AttentionVariant) =>
  defineShader(`attention_${variant.pass}`, [attentionKernel(variant)])
);

/**
 * Attends from queries to keys: softmax(q k^T / sqrt(d)) v, head by head.
 *
 * Memory grows with tokens, not with their square: the scores are computed
 * again for the gradient, which keeps one number per query and head.
 *
 * Source: Vaswani et al. 2017, equation 1.
 *
 * @param q (B, queries, heads, d)
 * @param k (B, keys, heads, d)
 * @param v (B, keys, heads, d)
 * @returns (B, queries, heads, d)
 * @throws {RangeError} if the shapes do not fit or d is above 64
 */
export function attention(q: Tensor, k: Tensor, v: Tensor): Tensor {
  const [batch = 0, queries = 0, heads = 0, d = 0] = q.shape;
  const [, keys = 0] = k.shape;
  const wanted = showShape([batch, keys, heads, d]);
  if (
    q.shape.length !== 4 || showShape(k.shape) !== wanted ||
    showShape(v.shape) !== wanted || d > MAX_HEAD
  ) {
    throw new RangeError(
      `Cannot apply attention: q ${showShape(q.shape)}, k ${
        showShape(k.shape)
      }, v ${
        showShape(v.shape)
      }; needed (B, T, heads, d) with equal B, heads and d up to ${MAX_HEAD}`,
    );
  }
  // Keys and values share one tensor, so that one kernel writes both gradients.
  const pair = (x: Tensor) => x.reshape([batch, keys, 1, heads, d]);
  const kv = concat([pair(k), pair(v)], 2);
  const texels = ceilDiv(d, 4);
  return attend(q, kv, {
    batch,
    queries,
    keys,
    heads,
    d,
    pitchQ: heads * texels,
    offsetQ: 0,
    pitchKV: 2 * heads * texels,
    offsetK: 0,
    offsetV: heads * texels,
  });
}

/**
 * Attends from tokens to tokens of one packed projection.
 *
 * @param qkv (B, T, 3, heads, d): queries, keys, values
 * @returns (B, T, heads, d)
 * @throws {RangeError} if the shape does not fit or d is above 64
 */
export function selfAttention(qkv: Tensor): Tensor {
  const [batch = 0, tokens = 0, three = 0, heads = 0, d = 0] = qkv.shape;
  if (qkv.shape.length !== 5 || three !== 3 || d > MAX_HEAD) {
    throw new RangeError(
      `Cannot apply selfAttention: ${
        showShape(qkv.shape)
      } must be (B, T, 3, heads, d) with d up to ${MAX_HEAD}`,
    );
  }
  const texels = ceilDiv(d, 4);
  const pitch = 3 * heads * texels;
  return attend(qkv, undefined, {
    batch,
    queries: tokens,
    keys: tokens,
    heads,
    d,
    pitchQ: pitch,
    offsetQ: 0,
    pitchKV: pitch,
    offsetK: heads * texels,
    offsetV: 2 * heads * texels,
  });
}

/** Sizes, and where vectors lie, in texels. */
interface Geometry {
  readonly batch: number;
  readonly queries: number;
  readonly keys: number;
  readonly heads: number;
  readonly d: number;
  readonly pitchQ: number;
  readonly offsetQ: number;
  readonly pitchKV: number;
  readonly offsetK: number;
  readonly offsetV: number;
}

/** With `kv` absent, `q` holds queries, keys and values. */
function attend(q: Tensor, kv: Tensor | undefined, g: Geometry): Tensor {
  const { gpu } = q;
  const { batch, queries, keys, heads, d } = g;
  checkLoop("attention", Math.max(queries, keys) / 4);
  const shape: Shape = [batch, queries, heads, d];
  const width = 4 * ceilDiv(d, 4);
  const params = {
    queries,
    keys,
    padded: 4 * ceilDiv(queries, 4),
    heads,
    pitchQ: g.pitchQ,
    offsetQ: g.offsetQ,
    pitchKV: g.pitchKV,
    offsetK: g.offsetK,
    offsetV: g.offsetV,
    scale: 1 / Math.sqrt(d),
  };
  const { member, lanes } = memberFor(gpu);
  const variant = (pass: AttentionVariant["pass"]) =>
    attentionShader({
      pass,
      texels: width / 4,
      member,
      lanes,
      source: gpu.operandSource,
    });
  const qPadded = alignRows(q);
  const kvPadded = kv === undefined ? qPadded : alignRows(kv);
  const operands = { q: qPadded, k: kvPadded, v: kvPadded };
  const run = (
    pass: AttentionVariant["pass"],
    bindings: Readonly<Record<string, Tensor>>,
    tokens: number,
    share: number,
  ) => {
    // Samples beyond one dispatch take several.
    for (const [first, end] of groupRanges(batch)) {
      const samples = end - first;
      const parts = Object.entries(bindings).map(([name, x]) => {
        const each = x.bytes / batch;
        return [name, partOf(x, first * each, samples * each)] as const;
      });
      variant(pass).run(
        "attend",
        Object.fromEntries(parts),
        params,
        [ceilDiv(tokens, lanes), heads, samples],
        { flops: share * samples * heads * queries * keys * d },
      );
    }
  };

  const out = empty(gpu, [batch, queries, heads, width]);
  const lse = empty(gpu, [batch, heads, params.padded]);
  run("forward", { ...operands, out, lse }, params.padded, 4);

  const inputs = kv === undefined ? [q] : [q, kv];
  return record(cropRows(out, shape), inputs, (dy) => {
    const grad = alignRows(dy);
    const delta = empty(gpu, lse.shape);
    const dq = empty(gpu, qPadded.shape);
    const dkv = kv === undefined ? dq : empty(gpu, kvPadded.shape);
    const query = { ...operands, o: out, grad, lse, delta, out: dq };
    run("query", query, params.padded, 6);
    run("keyValue", { ...operands, grad, lse, delta, out: dkv }, keys, 8);
    const gradients = [cropRows(dq, q.shape)];
    if (kv !== undefined) gradients.push(cropRows(dkv, kv.shape));
    return gradients;
  });
}

/** The member of the family for a device. */
function memberFor(
  gpu: Gpu,
): Pick<AttentionVariant, "member" | "lanes"> {
  return gpu.prefersShuffles
    ? { member: "shuffle", lanes: gpu.subgroupSize }
    : { member: "direct", lanes: 64 };
}
