import type { WeightSource } from "../../core/encoders/frozen.ts";
import type { Module, StateDict } from "../../core/nn/module.ts";
import { type Shape, sizeOf } from "../../core/tensor/shape.ts";

/**
 * Uniform numbers on [-1, 1) in steps of 2^-23, by a hash of name and index.
 * `fixtures/torch/encoders_video.py` and `encoders_vit.py` draw the same.
 */
export function generated(
  name: string,
  size: number,
): Float32Array<ArrayBuffer> {
  let seed = 0x811c9dc5; // FNV-1a
  for (const byte of new TextEncoder().encode(name)) {
    seed = Math.imul(seed ^ byte, 0x01000193);
  }
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    // The last steps of MurmurHash3.
    let h = (seed + Math.imul(i, 0x9e3779b9)) | 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h ^= h >>> 16;
    values[i] = (h >>> 8) * 2 ** -23 - 1;
  }
  return values;
}

/** Generated pixels on [0, 1). */
export function generatedImages(
  name: string,
  size: number,
): Float32Array<ArrayBuffer> {
  return generated(name, size).map((value) => (value + 1) / 2);
}

/**
 * The generated parameter of a name: matrices and kernels have variance
 * gain / fan in, scales and variances of a norm are near 1, biases near 0.
 */
export function generatedParameter(
  name: string,
  shape: Shape,
  gain = 1,
): Float32Array<ArrayBuffer> {
  const values = generated(name, sizeOf(shape));
  const isMatrix = shape.length > 1;
  const factor = isMatrix
    ? Math.fround(Math.sqrt(3 * gain / sizeOf(shape.slice(1))))
    : Math.fround(0.1);
  const isScale = /(norm[^.]*|bn)\.weight$|\.running_var$/.test(name);
  const offset = !isMatrix && isScale ? 1 : 0;
  for (let i = 0; i < values.length; i++) {
    values[i] = Math.fround(values[i]! * factor) + offset;
  }
  return values;
}

/** A file of a module's generated parameters, made when they are read. */
export function generatedWeights(
  module: Module,
  prefix = "",
  gain = 1,
): WeightSource {
  const shapes = new Map(
    [...module.namedParameters(prefix)].map(([name, { shape }]) => [
      name,
      shape,
    ]),
  );
  return {
    names: [...shapes.keys()],
    info(name) {
      const shape = shapes.get(name);
      return shape && { dtype: "F32", shape };
    },
    read(name) {
      const shape = shapes.get(name)!;
      const data = generatedParameter(
        name.slice(prefix.length),
        shape,
        gain,
      );
      const bytes = new Uint8Array(data.buffer);
      return Promise.resolve({ dtype: "F32", shape, bytes });
    },
  };
}

/** A state dict as a file. */
export function weightsOf(dict: StateDict): WeightSource {
  return {
    names: Object.keys(dict),
    info(name) {
      const entry = dict[name];
      return entry && { dtype: "F32", shape: entry.shape };
    },
    read(name) {
      const { shape, data } = dict[name]!;
      const bytes = new Uint8Array(data.slice().buffer);
      return Promise.resolve({ dtype: "F32", shape, bytes });
    },
  };
}
