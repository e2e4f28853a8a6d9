import { operand } from "../../kernels/matmul.wgsl.ts";
import nan from "../../kernels/lib/nan.wgsl" with { type: "text" };
import source from "../../kernels/optimizer.wgsl" with { type: "text" };
import type { Gpu } from "../gpu/gpu.ts";
import { ceilDiv, flatGrid } from "../gpu/grid.ts";
import { defineShader } from "../gpu/shader.ts";
import { sqrt } from "../ops/pointwise.ts";
import { sum } from "../ops/reduce.ts";
import { noGrad } from "../tensor/autograd.ts";
import { empty } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Group, ParameterStore } from "./parameters.ts";

/** How the kernels read what they also write. */
const READS = { value: 7, m: 8, v: 12, average: 13 } as const;

type InPlace = keyof typeof READS;

/** The kernels, reading from texels or in place. */
const shaders = {
  texels: defineShader("optimizer", [
    nan,
    source,
    operand("gradient", 1, "texels"),
    ...Object.entries(READS).map(([name, binding]) =>
      operand(`${name}Old`, binding, "texels").replace(
        `${name}OldAt`,
        `${name}At`,
      )
    ),
  ]),
  buffer: defineShader("optimizer_in_place", [
    nan,
    source,
    operand("gradient", 1, "buffer"),
    ...Object.keys(READS).map((name) =>
      `fn ${name}At(i: u32) -> vec4f { return ${name}[i]; }`
    ),
  ]),
};

/** Runs a kernel that changes buffers in place. */
function run(
  entry: string,
  gpu: Gpu,
  bindings: Readonly<Record<string, Tensor>>,
  params: Readonly<Record<string, number>>,
  groups: number,
): void {
  const all = { ...bindings };
  if (gpu.operandSource === "texels") {
    for (const [name, tensor] of Object.entries(bindings)) {
      if (name in READS) all[`${name as InPlace}Old`] = tensor;
    }
  }
  shaders[gpu.operandSource].run(entry, all, params, flatGrid(groups));
}

/** Params of the kernels, with their neutral values. */
const NEUTRAL = {
  rate: 0,
  beta1: 0,
  rest1: 1,
  beta2: 0,
  rest2: 1,
  eps: 0,
  l2: 0,
  keep: 1,
  share: 1,
};

/** An optimizer: its step, and the state that a checkpoint keeps. */
export interface Optimizer {
  /** Parameters it changes. */
  readonly store: ParameterStore;
  /** Steps taken. */
  stepCount: number;
  /** Learning rate; may be changed between steps. */
  lr: number;
  /** Flat buffers of its state by name. */
  readonly state: Readonly<Record<string, Tensor>>;
  /** Changes the parameters by their gradients and forgets those. */
  step(): void;
}

/** Options of {@linkcode Adam} and {@linkcode AdamW}. */
export interface AdamOptions {
  /** Learning rate. */
  readonly lr: number;
  /** Decay of the first and second moment. Default 0.9 and 0.999. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the second moment. Default 1e-8. */
  readonly eps?: number;
  /** Weight decay. Default 0 for Adam, 0.01 for AdamW. */
  readonly weightDecay?: number;
}

/** Options of {@linkcode SGD}. */
export interface SgdOptions {
  /** Learning rate. */
  readonly lr: number;
  /** Share of the last step that is kept. Default 0. */
  readonly momentum?: number;
  /** Weight decay, added to the gradient. Default 0. */
  readonly weightDecay?: number;
}

function check(
  optimizer: string,
  values: Readonly<Record<string, number>>,
  below: Readonly<Record<string, number>>,
): void {
  for (const [name, value] of Object.entries(values)) {
    const limit = below[name] ?? Infinity;
    if (value >= 0 && value < limit) continue;
    throw new RangeError(
      `Cannot create ${optimizer}: ${name} ${value} must be at least 0 and ${
        limit === Infinity ? "finite" : `below ${limit}`
      }`,
    );
  }
}

/** Starts a step: every parameter has a gradient, every group a factor. */
function begin(store: ParameterStore): void {
  store.completeGradients();
  for (const group of store.groups) {
    if (!group.isClipped) group.factor.gpu.write(group.factor, ONE);
  }
}

const ONE = new Float32Array([1]);

function texelsOf(group: Group): number {
  return ceilDiv(group.values.size, 4);
}

/**
 * Adam with weight decay added to the gradient.
 *
 * Source: Kingma & Ba 2015, algorithm 1, in PyTorch's order of operations.
 */
export class Adam implements Optimizer {
  stepCount = 0;
  lr: number;
  readonly state: { readonly first: Tensor; readonly second: Tensor };
  /** Whether weight decay shrinks values instead of adding to the gradient. */
  protected readonly isDecoupled: boolean = false;
  readonly #betas: readonly [number, number];
  readonly #eps: number;
  readonly #weightDecay: number;

  /**
   * Takes charge of a store; both moments start at zero.
   *
   * @param store parameters
   * @param options learning rate, betas, eps, weight decay
   * @throws {RangeError} if a number is negative, not finite, or a beta is not
   *   below 1
   */
  constructor(readonly store: ParameterStore, options: AdamOptions) {
    const { lr, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0 } = options;
    const [beta1, beta2] = betas;
    check(new.target.name, { lr, beta1, beta2, eps, weightDecay }, {
      beta1: 1,
      beta2: 1,
    });
    this.lr = lr;
    this.#betas = betas;
    this.#eps = eps;
    this.#weightDecay = weightDecay;
    this.state = {
      first: store.like("the first moments"),
      second: store.like("the second moments"),
    };
    store.gpu.recorder.clear(this.state.first);
    store.gpu.recorder.clear(this.state.second);
  }

  /** Changes the parameters by their gradients and forgets those. */
  step(): void {
    const { store, state, lr } = this;
    const [beta1, beta2] = this.#betas;
    const t = ++this.stepCount;
    begin(store);
    for (const group of store.groups) {
      const count = texelsOf(group);
      run(
        "adam",
        store.gpu,
        {
          gradient: group.gradients,
          factor: group.factor,
          value: group.values,
          m: store.part(state.first, group),
          v: store.part(state.second, group),
        },
        {
          ...NEUTRAL,
          count,
          rate: lr / (1 - beta1 ** t),
          beta1,
          rest1: 1 - beta1,
          beta2,
          rest2: 1 - beta2,
          eps: this.#eps,
          l2: this.isDecoupled ? 0 : this.#weightDecay,
          keep: this.isDecoupled ? 1 - lr * this.#weightDecay : 1,
          share: 1 - beta2 ** t,
        },
        ceilDiv(count, 64),
      );
    }
    store.zeroGrad();
    if (store.gpu.guard !== undefined) store.gpu.guard.step++;
  }
}

/**
 * Adam with decoupled weight decay.
 *
 * Source: Loshchilov & Hutter 2019, algorithm 2.
 */
export class AdamW extends Adam {
  /** Decay shrinks the values themselves. */
  protected override readonly isDecoupled = true;

  /**
   * Takes charge of a store, as {@linkcode Adam} does.
   *
   * @param store parameters
   * @param options learning rate, betas, eps, weight decay (default 0.01)
   */
  constructor(store: ParameterStore, options: AdamOptions) {
    super(store, { weightDecay: 0.01, ...options });
  }
}

/** Stochastic gradient descent with momentum, as PyTorch defines it. */
export class SGD implements Optimizer {
  stepCount = 0;
  lr: number;
  readonly state: { readonly momentum: Tensor };
  readonly #momentum: number;
  readonly #weightDecay: number;

  /**
   * Takes charge of a store; the momentum starts at zero.
   *
   * @param store parameters
   * @param options learning rate, momentum, weight decay
   * @throws {RangeError} if a number is negative or not finite
   */
  constructor(readonly store: ParameterStore, options: SgdOptions) {
    const { lr, momentum = 0, weightDecay = 0 } = options;
    check("SGD", { lr, momentum, weightDecay }, {});
    this.lr = lr;
    this.#momentum = momentum;
    this.#weightDecay = weightDecay;
    this.state = { momentum: store.like("the momentum") };
    store.gpu.recorder.clear(this.state.momentum);
  }

  /** Changes the parameters by their gradients and forgets those. */
  step(): void {
    const { store, state } = this;
    this.stepCount++;
    begin(store);
    for (const group of store.groups) {
      const count = texelsOf(group);
      run(
        "sgd",
        store.gpu,
        {
          gradient: group.gradients,
          factor: group.factor,
          value: group.values,
          m: store.part(state.momentum, group),
        },
        {
          ...NEUTRAL,
          count,
          rate: this.lr,
          beta1: this.#momentum,
          l2: this.#weightDecay,
        },
        ceilDiv(count, 64),
      );
    }
    store.zeroGrad();
    if (store.gpu.guard !== undefined) store.gpu.guard.step++;
  }
}

/**
 * Limits the global L2 norm of a group's gradients in the next step, without
 * a read: the factor stays on the device.
 *
 * @param store parameters with gradients
 * @param maxNorm largest norm, above 0
 * @param group name of the group; may be absent if there is one
 * @returns (), the norm before, in the innermost scope
 * @throws {RangeError} if `maxNorm` is not a positive finite number
 * @throws {TypeError} if there is no such group
 */
export function clipGradNorm(
  store: ParameterStore,
  maxNorm: number,
  group?: string,
): Tensor {
  if (!(maxNorm > 0 && maxNorm < Infinity)) {
    throw new RangeError(
      `Cannot clip gradients: norm ${maxNorm} must be a positive finite number`,
    );
  }
  const own = store.group(group);
  store.completeGradients();
  const count = texelsOf(own);
  const chunks = ceilDiv(count, 256);
  const partials = empty(store.gpu, [chunks]);
  const params = { ...NEUTRAL, count };
  run(
    "squares",
    store.gpu,
    { gradient: own.gradients, partials },
    params,
    ceilDiv(chunks, 64),
  );
  return noGrad(() => {
    const total = sum(partials);
    const limits = { ...params, rate: maxNorm };
    run("limit", store.gpu, { total, limited: own.factor }, limits, 1);
    own.isClipped = true;
    return sqrt(total);
  });
}

/**
 * Exponential moving average of all parameters, without bias correction.
 */
export class Ema {
  /** (elements), the averages, as flat as the parameters. */
  readonly average: Tensor;
  readonly #store: ParameterStore;
  readonly #decay: number;

  /**
   * Starts at the present values.
   *
   * @param store parameters
   * @param decay share that is kept at each update, 0 to below 1
   * @throws {RangeError} if the decay is outside [0, 1)
   */
  constructor(store: ParameterStore, decay: number) {
    check("Ema", { decay }, { decay: 1 });
    this.#store = store;
    this.#decay = decay;
    this.average = store.like("the averages");
    store.gpu.recorder.copyRange(store.values, this.average);
  }

  /**
   * Moves the averages towards the present values.
   *
   * @param decay share that is kept this time; default that of the average
   */
  update(decay: number = this.#decay): void {
    const count = ceilDiv(this.average.size, 4);
    run(
      "ema",
      this.#store.gpu,
      { average: this.average, gradient: this.#store.values },
      { ...NEUTRAL, count, beta1: decay, rest1: 1 - decay },
      ceilDiv(count, 64),
    );
  }

  /**
   * Puts the averages in the parameters' place until the result is disposed.
   *
   * @example
   * ```ts ignore
   * using _ = ema.applied();
   * const y = model.forward(x); // by the averaged weights
   * ```
   */
  applied(): Disposable {
    const { values, gpu } = this.#store;
    const storage = gpu.allocateLasting(values.bytes, "the set-aside values");
    gpu.recorder.copyRange(values, storage);
    gpu.recorder.copyRange(this.average, values);
    return {
      [Symbol.dispose]: () => {
        gpu.recorder.copyRange(storage, values);
        storage.free();
      },
    };
  }
}
