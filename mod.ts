/**
 * World-Action: latent world-action models for driving, from WGSL kernels up,
 * on Deno's native WebGPU.
 *
 * Tensors live on a device and belong to scopes; operations are functions that
 * record work; only reads wait. A module's fields are its parameters, under
 * PyTorch's names.
 *
 * @example Train a small network
 * ```ts
 * import {
 *   Adam, backward, clipGradNorm, gelu, Gpu, key, Linear, mse, normal,
 *   parameters, Sequential, sum,
 * } from "./mod.ts";
 *
 * using gpu = await Gpu.open();
 * const model = new Sequential(new Linear(2, 64), gelu, new Linear(64, 1));
 * using weights = parameters(gpu, model, { seed: 0 });
 * const optimizer = new Adam(weights, { lr: 1e-2 });
 *
 * for (let step = 0; step < 50; step++) {
 *   using _ = gpu.scope(); // frees the step's tensors
 *   const x = normal(gpu, [128, 2], key("data", 0, step));
 *   const loss = mse(model.forward(x), sum(x, [1], { keepAxes: true }));
 *   backward(loss);
 *   clipGradNorm(weights, 1);
 *   optimizer.step();
 *   if (step % 10 === 0) console.log(step, await loss.item());
 * }
 * ```
 *
 * @module
 */

export type { BufferPool, Memory } from "./core/gpu/buffer_pool.ts";
export {
  type Backend,
  Gpu,
  type GpuOptions,
  type OperandSource,
  type PipelineOfLayout,
} from "./core/gpu/gpu.ts";
export { ceilDiv, flatGrid, type Grid } from "./core/gpu/grid.ts";
export type { Guard } from "./core/gpu/guard.ts";
export type { Knobs } from "./core/gpu/knobs.ts";
export type { Profiler, ProfileRow } from "./core/gpu/profile.ts";
export type { Dispatch, Recorder } from "./core/gpu/recorder.ts";
export {
  type Access,
  type Bindings,
  type Declared,
  defineShader,
  type Field,
  type Params,
  type Reflection,
  type RunOptions,
  type Shader,
} from "./core/gpu/shader.ts";
export type {
  Block,
  Derived,
  Range,
  Scope,
  Storage,
  TexelCopy,
  TexelFormat,
} from "./core/gpu/storage.ts";
export type { TunedTiles } from "./core/gpu/tuning.ts";
export type { SharedTile, ShuffleTile, Tile } from "./kernels/tile.wgsl.ts";
export type { Activation } from "./kernels/matmul.wgsl.ts";
export {
  backward,
  forwardOnly,
  type Gradients,
  type GradientSink,
  type GradNode,
  noGrad,
  record,
  recordMany,
} from "./core/tensor/autograd.ts";
export {
  arange,
  empty,
  emptyLike,
  full,
  type Nested,
  tensor,
  zeros,
} from "./core/tensor/create.ts";
export type { DType, HostData } from "./core/tensor/dtype.ts";
export { Key, key, philox4x32, type Words4 } from "./core/tensor/philox.ts";
export { normal, randomBits, uniform } from "./core/tensor/random.ts";
export type { Shape } from "./core/tensor/shape.ts";
export { Tensor } from "./core/tensor/tensor.ts";
export * from "./core/ops/mod.ts";
export { MultiheadAttention } from "./core/nn/attention.ts";
export {
  type Checkpoint,
  loadCheckpoint,
  saveCheckpoint,
} from "./core/nn/checkpoint.ts";
export {
  BatchNorm2d,
  type BatchNorm2dOptions,
  Conv2d,
  Dropout,
  Embedding,
  GroupNorm,
  type Layer,
  LayerNorm,
  Linear,
  Sequential,
} from "./core/nn/layers.ts";
export { Module, type StateDict, type StateEntry } from "./core/nn/module.ts";
export {
  Adam,
  type AdamOptions,
  AdamW,
  clipGradNorm,
  Ema,
  type Optimizer,
  SGD,
  type SgdOptions,
} from "./core/nn/optimizer.ts";
export { type Init, Parameter } from "./core/nn/parameter.ts";
export {
  type Group,
  parameters,
  type ParametersOptions,
  ParameterStore,
  type Slot,
} from "./core/nn/parameters.ts";
export {
  type HostArray,
  type HostTensor,
  readSafetensors,
  type SafetensorsType,
  type TensorFile,
  toFloat32,
  writeSafetensors,
} from "./core/formats/safetensors.ts";
export * from "./core/formats/image.ts";
export { decodeJpeg } from "./core/formats/jpeg.ts";
export { decodePng, encodeApng, encodePng } from "./core/formats/png.ts";
export {
  type PillowFilter,
  resizePillow,
} from "./core/formats/pillow_resize.ts";
export * from "./core/encoders/autoencoder_kl.ts";
export * from "./core/encoders/clip_b32.ts";
export * from "./core/encoders/demo_features.ts";
export * from "./core/encoders/dinov2_s14.ts";
export * from "./core/encoders/encoder.ts";
export * from "./core/encoders/frozen.ts";
export * from "./core/encoders/inception_blocks.ts";
export * from "./core/encoders/inception_v3.ts";
export * from "./core/encoders/known_names.ts";
export * from "./core/encoders/lpips.ts";
export * from "./core/encoders/mod.ts";
export * from "./core/encoders/open_autoencoder.ts";
export * from "./core/encoders/projection.ts";
export { ResnetBlock } from "./core/encoders/resnet_block.ts";
export * from "./core/encoders/stand_in.ts";
export * from "./core/encoders/vit.ts";
export * from "./core/encoders/vit_s16.ts";
export * from "./core/encoders/vjepa2.ts";
export * from "./core/encoders/vqgan.ts";
export * from "./core/models/anchored_dit.ts";
export * from "./core/models/dit_block.ts";
export * from "./core/models/encoder_probe.ts";
export * from "./core/models/flops.ts";
export * from "./core/models/fourier_action.ts";
export * from "./core/models/frame_dit.ts";
export * from "./core/models/frame_world_model.ts";
export * from "./core/models/future_model.ts";
export * from "./core/models/inverse_dynamics.ts";
export * from "./core/models/jump_model.ts";
export * from "./core/models/latent_dit.ts";
export * from "./core/models/latent_future.ts";
export * from "./core/models/latent_predictor.ts";
export * from "./core/models/mlp_predictor.ts";
export * from "./core/models/predictor.ts";
export * from "./core/models/spatial_dit.ts";
export * from "./core/models/timestep_embedding.ts";
export * from "./core/models/world_model.ts";
export * from "./core/diffusion/blend.ts";
export * from "./core/diffusion/calibration.ts";
export * from "./core/diffusion/ddim.ts";
export * from "./core/diffusion/guidance.ts";
export * from "./core/diffusion/noise_schedule.ts";
export * from "./core/diffusion/objective.ts";
export * from "./core/diffusion/warm_start.ts";
export type { LatentRows } from "./core/data/latents.ts";
export * from "./core/data/clips.ts";
export * from "./core/data/nuscenes.ts";
export * from "./core/data/scene.ts";
export * from "./core/data/splits.ts";
export * from "./core/data/windows.ts";
export * from "./core/metrics/agreement.ts";
export * from "./core/metrics/cosine.ts";
export * from "./core/metrics/distributions.ts";
export * from "./core/metrics/energy.ts";
export * from "./core/metrics/features.ts";
export * from "./core/metrics/fid.ts";
export * from "./core/metrics/kid.ts";
export * from "./core/metrics/motion.ts";
export * from "./core/metrics/neighbors.ts";
export * from "./core/metrics/numpy_bootstrap.ts";
export * from "./core/metrics/numpy_random.ts";
export * from "./core/metrics/paired_tests.ts";
export * from "./core/metrics/step_scores.ts";
export * from "./core/metrics/path.ts";
export * from "./core/metrics/scene_errors.ts";
export * from "./core/metrics/sharpness.ts";
export * from "./core/metrics/shift.ts";
export * from "./core/metrics/spearman.ts";
export * from "./core/metrics/ssim.ts";
export {
  bootstrapInterval,
  type Interval,
  percentile,
  type Resampling,
  sceneMeans,
  standardDeviation,
} from "./core/metrics/statistics.ts";
export type { FileSource } from "./core/formats/byte_source.ts";
export * from "./core/formats/npy.ts";
export * from "./core/formats/torch_file.ts";
export * from "./core/formats/weights.ts";
export type { ReadProgress } from "./core/data/nuscenes_index.ts";
