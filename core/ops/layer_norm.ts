import quotient from "../../kernels/lib/quotient.wgsl" with { type: "text" };
import source from "../../kernels/layer_norm.wgsl" with { type: "text" };
import { ceilDiv, flatGrid } from "../gpu/grid.ts";
import { record } from "../tensor/autograd.ts";
import { empty, emptyLike } from "../tensor/create.ts";
import { showShape, sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { alignRows, cropRows } from "./copy_rows.ts";
import { modulate } from "./modulate.ts";
import { sumTo } from "./reduce.ts";
import { defineRowShaders, rowsOf } from "./rows.ts";

const shaders = defineRowShaders("layer_norm", `${quotient}\n${source}`);

/** Learned scale and shift of {@linkcode layerNorm}. */
export interface Affine {
  /** (cols), factor of the normalized values. */
  readonly weight: Tensor;
  /** (cols), added after it. */
  readonly bias: Tensor;
}

/**
 * Shifts and scales each row of `x` to zero mean and unit variance.
 *
 * In a DiT block scale and shift come from the conditioning, see
 * {@linkcode adaptiveLayerNorm}; elsewhere they are learned.
 *
 * Source: Ba, Kiros & Hinton 2016, equation 3.
 *
 * @param x (..., cols), normalized over the last axis
 * @param eps added to the variance, in squared units of `x`
 * @param affine learned scale and shift, or `undefined` for none
 * @returns (..., cols), same shape as `x`
 * @throws {RangeError} if `x` is a scalar, or the affine lengths differ
 */
export function layerNorm(x: Tensor, eps: number, affine?: Affine): Tensor {
  const { rows, cols } = rowsOf("layerNorm", x);
  if (
    affine !== undefined &&
    (affine.weight.size !== cols || affine.bias.size !== cols)
  ) {
    throw new RangeError(
      `Cannot apply layerNorm: weight ${
        showShape(affine.weight.shape)
      } and bias ${showShape(affine.bias.shape)} must be (${cols}) for input ${
        showShape(x.shape)
      }`,
    );
  }
  return affine === undefined
    ? normalize(x, eps, { form: 0, owned: 1 })
    : normalize(x, eps, { form: 1, owned: rows, ...affine });
}

/**
 * Layer normalization whose scale and shift come from a condition:
 * xhat (1 + scale) + shift, as {@linkcode modulate} after
 * {@linkcode layerNorm}.
 *
 * The condition may have fewer rows than `x`: each row then serves as many
 * neighbouring tokens.
 *
 * Source: Peebles & Xie 2023, adaLN.
 *
 * @param x (..., T, D)
 * @param eps added to the variance, in squared units of `x`
 * @param shift (..., T / n, D)
 * @param scale (..., T / n, D)
 * @returns (..., T, D)
 * @throws {RangeError} if the rows of the condition do not divide T
 */
export function adaptiveLayerNorm(
  x: Tensor,
  eps: number,
  shift: Tensor,
  scale: Tensor,
): Tensor {
  const cols = x.shape.at(-1) ?? 0;
  const lead = sizeOf(x.shape.slice(0, -2));
  const owned = x.size / scale.size;
  const fits = cols % 4 === 0 && Number.isInteger(owned) &&
    shift.size === scale.size &&
    [shift, scale].every((part) =>
      part.shape.at(-1) === cols && sizeOf(part.shape.slice(0, -2)) === lead
    );
  // Rows that fill no texel, and what does not fit and is refused there.
  if (!fits) {
    return modulate(normalize(x, eps, { form: 0, owned: 1 }), shift, scale);
  }
  return normalize(x, eps, { form: 2, owned, weight: scale, bias: shift });
}

/** Scale and shift by the kernel's FORM, and how many rows share theirs. */
type Form =
  | { readonly form: 0; readonly owned: 1 }
  | (Affine & { readonly form: 1 | 2; readonly owned: number });

/** Terms of a scale's gradient that one invocation adds. */
const CHUNK = 128;

function normalize(x: Tensor, eps: number, affine: Form): Tensor {
  const { rows, cols, width, grid, knobs, member } = rowsOf("layerNorm", x);
  const { form, owned } = affine;
  const chunks = ceilDiv(owned, CHUNK);
  const params = { rows, cols, width, eps, owned, chunk: CHUNK, chunks };
  const options = { knobs: { ...knobs, FORM: form } };
  const padded = alignRows(x);

  const y = emptyLike(padded);
  const stats = empty(x.gpu, [rows, 2]); // mean and rstd, for the gradient
  // Without a scale its bindings take any buffer: they are not read.
  const weight = form === 0 ? padded : alignRows(affine.weight);
  const bias = form === 0 ? padded : alignRows(affine.bias);
  const shader = shaders[member];
  const bindings = { x: padded, weight, bias, y, stats };
  shader.run("forward", bindings, params, grid, options);

  const inputs = form === 0 ? [x] : [x, affine.weight, affine.bias];
  return record(cropRows(y, x.shape), inputs, (dy) => {
    const dyPadded = alignRows(dy);
    const gradients: (Tensor | undefined)[] = [undefined];
    if (x.requiresGrad) {
      const dx = emptyLike(padded);
      const operands = { x: padded, saved: stats, dy: dyPadded, dx, weight };
      shader.run("backward", operands, params, grid, options);
      gradients[0] = cropRows(dx, x.shape);
    }
    if (form === 0) return gradients;
    const owners = rows / owned;
    /** (owners, n, padded cols) to the shape of the scale. */
    const total = (parts: Tensor, n: number) =>
      cropRows(
        sumTo(parts.reshape([owners, n, 4 * width]), [owners, 1, 4 * width])
          .reshape([owners, 4 * width]),
        [owners, cols],
      ).reshape(affine.weight.shape);
    if (affine.weight.requiresGrad) {
      const dots = empty(x.gpu, [owners, chunks, 4 * width]);
      const operands = { x: padded, saved: stats, dy: dyPadded, dots };
      const groups = flatGrid(ceilDiv(dots.size / 4, 64));
      shader.run("scaleGradient", operands, params, groups, options);
      gradients[1] = total(dots, chunks);
    }
    if (affine.bias.requiresGrad) gradients[2] = total(dyPadded, owned);
    return gradients;
  });
}
