/**
 * Every operation on tensors. Each records its gradient.
 *
 * @module
 */

export { attention, selfAttention } from "./attention.ts";
export { chunk, concat, slice } from "./concat.ts";
export { conv2d, type Conv2dOptions } from "./conv2d.ts";
export { depthwiseConv2d } from "./depthwise_conv2d.ts";
export { dropout } from "./dropout.ts";
export { gather, pick, repeat } from "./gather.ts";
export {
  batchNormFrozen,
  batchNormTraining,
  groupNorm,
  type Moments,
  type NormOptions,
} from "./group_norm.ts";
export { adaptiveLayerNorm, type Affine, layerNorm } from "./layer_norm.ts";
export { linear, type LinearOptions } from "./linear.ts";
export { matmul, type MatmulOptions } from "./matmul.ts";
export { gatedAdd, modulate } from "./modulate.ts";
export { mse } from "./mse.ts";
export { patchify, unpatchify } from "./patchify.ts";
export { permute } from "./permute.ts";
export {
  abs,
  add,
  broadcastTo,
  clamp,
  cos,
  div,
  exp,
  gelu,
  geluTanh,
  log,
  maximum,
  minimum,
  mul,
  neg,
  type Operand,
  pow,
  quickGelu,
  relu,
  rsqrt,
  sigmoid,
  silu,
  sin,
  sqrt,
  sub,
  tanh,
  where,
} from "./pointwise.ts";
export {
  avgPool2d,
  type AvgPool2dOptions,
  globalAvgPool2d,
  maxPool2d,
  type Pool2dOptions,
} from "./pool2d.ts";
export {
  mean,
  type ReduceOptions,
  sum,
  variance,
  type VarianceOptions,
} from "./reduce.ts";
export { resize2d, type ResizeMode } from "./resize2d.ts";
export { rope, type RopeOptions, type RopeTurns, ropeTurns } from "./rope.ts";
export { crossEntropy, logSoftmax, softmax } from "./softmax.ts";
