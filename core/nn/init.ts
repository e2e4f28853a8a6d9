import type { Init } from "./parameter.ts";

/** All values equal. */
export function constant(value: number): Init {
  return (values) => {
    values.fill(value);
  };
}

/**
 * Uniform on [-bound, bound).
 *
 * @param bound largest absolute value
 */
export function uniformWithin(bound: number): Init {
  return (values, key) => {
    for (let i = 0; i < values.length; i += 4) {
      const words = key.block(i / 4);
      const count = Math.min(4, values.length - i);
      for (let j = 0; j < count; j++) {
        values[i + j] = ((words[j]! >>> 8) * 2 ** -23 - 1) * bound;
      }
    }
  };
}

/**
 * PyTorch's default for linear and convolution layers, weights and biases:
 * uniform within 1 / sqrt(fanIn).
 *
 * Source: He et al. 2015 with a = sqrt(5), as `torch.nn.Linear` sets it.
 *
 * @param fanIn inputs of one output
 */
export function fanInUniform(fanIn: number): Init {
  return uniformWithin(1 / Math.sqrt(fanIn));
}

/**
 * Uniform within sqrt(6 / (fanIn + fanOut)).
 *
 * Source: Glorot & Bengio 2010, equation 16.
 *
 * @param fanIn inputs of one output
 * @param fanOut outputs of one input
 */
export function xavierUniform(fanIn: number, fanOut: number): Init {
  return uniformWithin(Math.sqrt(6 / (fanIn + fanOut)));
}

/**
 * Normal with mean 0.
 *
 * @param std standard deviation
 */
export function normalWith(std: number): Init {
  return (values, key) => {
    for (let i = 0; i < values.length; i++) values[i] = key.normal(i) * std;
  };
}
