import source from "../../kernels/accumulate.wgsl" with { type: "text" };
import { operand } from "../../kernels/matmul.wgsl.ts";
import { ceilDiv, flatGrid } from "../gpu/grid.ts";
import { defineShader } from "../gpu/shader.ts";
import type { Storage } from "../gpu/storage.ts";
import { emptyLike, full } from "./create.ts";
import { sameShape, showShape } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** Gradients by the inputs of an operation, in order; `undefined` where none. */
export type Gradients = readonly (Tensor | undefined)[];

/** An operation in the graph that {@linkcode backward} walks. */
export interface GradNode {
  /** What it computed from. */
  readonly inputs: readonly Tensor[];
  /** What it computed. */
  readonly outputs: readonly Tensor[];
  /** Its rule: gradients of the outputs to gradients of the inputs. */
  readonly gradients: (dys: Gradients) => Gradients;
}

/** A leaf whose gradient goes into memory of its own, such as a parameter. */
export interface GradientSink {
  /** Where the gradient goes. */
  readonly gradient: Tensor;
  /** Whether `gradient` holds one; if not, the next one overwrites it. */
  hasGradient: boolean;
}

/** The kernels, reading x and y from texels or from buffers. */
const shaders = {
  texels: defineShader("accumulate", [
    source,
    operand("x", 1, "texels"),
    operand("y", 2, "texels"),
  ]),
  buffer: defineShader("accumulate_buffer", [
    source,
    operand("x", 1, "buffer"),
    operand("y", 2, "buffer"),
  ]),
};

const sinks = new WeakMap<Tensor, GradientSink>();
let isRecording = true;

/**
 * Notes how `y` was computed, so that {@linkcode backward} can pass gradients.
 *
 * @param y result of the operation
 * @param inputs what it was computed from
 * @param gradient from the gradient of `y` to one gradient per input, in order
 * @returns `y`
 */
export function record(
  y: Tensor,
  inputs: readonly Tensor[],
  gradient: (dy: Tensor) => Gradients,
): Tensor {
  recordMany([y], inputs, ([dy]) => gradient(dy!));
  return y;
}

/**
 * Notes how several results were computed together.
 *
 * @param outputs results of the operation
 * @param inputs what they were computed from
 * @param gradients from the outputs' gradients, of which some but not all may
 *   be `undefined`, to one gradient per input, in order
 * @returns `outputs`
 */
export function recordMany<T extends readonly Tensor[]>(
  outputs: T,
  inputs: readonly Tensor[],
  gradients: (dys: Gradients) => Gradients,
): T {
  if (isRecording && inputs.some((input) => input.requiresGrad)) {
    const node: GradNode = { inputs, outputs, gradients };
    for (const output of outputs) {
      output.node = node;
      output.requiresGrad = true;
    }
  }
  return outputs;
}

/**
 * Refuses inputs that need a gradient, for an operation that has none.
 *
 * @param op name of the operation
 * @param y its result
 * @param inputs what it was computed from
 * @returns `y`
 * @throws {TypeError} if an input requires a gradient
 */
export function forwardOnly(
  op: string,
  y: Tensor,
  inputs: readonly Tensor[],
): Tensor {
  if (isRecording && inputs.some((input) => input.requiresGrad)) {
    throw new TypeError(
      `Cannot apply ${op} to a tensor that requires a gradient: it has none; wrap the call in noGrad()`,
    );
  }
  return y;
}

/** Whether operations are being noted for {@linkcode backward}. */
export function isGradEnabled(): boolean {
  return isRecording;
}

/**
 * Runs `work` without noting operations: nothing inside gets a gradient.
 *
 * @param work synchronous work
 * @returns what `work` returns
 */
export function noGrad<T>(work: () => T): T {
  const before = isRecording;
  isRecording = false;
  try {
    return work();
  } finally {
    isRecording = before;
  }
}

/** Directs the gradients of a leaf into a sink. */
export function setGradientSink(leaf: Tensor, sink: GradientSink): void {
  sinks.set(leaf, sink);
}

/**
 * Computes the gradients of a scalar by every leaf that requires one.
 *
 * Gradients add up: into a parameter's slot of the flat gradient buffer until
 * the optimizer's step, into {@linkcode Tensor.grad} of other leaves.
 *
 * @param loss one element, or any shape if `gradient` is given
 * @param gradient gradient of what is minimized by `loss`; 1 if absent
 * @throws {RangeError} if `loss` has more than one element and no gradient is
 *   given, or the gradient has another shape
 * @throws {TypeError} if nothing it was computed from requires a gradient
 */
export function backward(loss: Tensor, gradient?: Tensor): void {
  if (gradient !== undefined && !sameShape(gradient.shape, loss.shape)) {
    throw new RangeError(
      `Cannot go backward: gradient ${
        showShape(gradient.shape)
      } must have the shape ${showShape(loss.shape)} of the result`,
    );
  }
  if (loss.size !== 1 && gradient === undefined) {
    throw new RangeError(
      `Cannot take the gradient of a tensor ${
        showShape(loss.shape)
      }: it needs one element; reduce it with mean or sum`,
    );
  }
  if (!loss.requiresGrad) {
    throw new TypeError(
      "Cannot take the gradient: nothing the loss was computed from requires one",
    );
  }
  const { gpu } = loss;
  using scope = gpu.scope();
  const pending = new Pending(scope.owns.bind(scope));
  const leaves = new Map<Tensor, Tensor>();
  pending.add(loss, gradient ?? full(gpu, loss.shape, 1));

  noGrad(() => {
    for (const node of topological(loss)) {
      const dys = node.outputs.map((output) => pending.take(output));
      if (dys.every((dy) => dy === undefined)) continue;
      using inner = gpu.scope();
      const dxs = node.gradients(dys);
      node.inputs.forEach((input, i) => {
        const dx = dxs[i];
        if (dx === undefined || !input.requiresGrad) return;
        if (!sameShape(dx.shape, input.shape)) {
          throw new RangeError(
            `Cannot pass a gradient ${showShape(dx.shape)} to a tensor ${
              showShape(input.shape)
            }: shapes must be equal`,
          );
        }
        inner.keep(dx);
        if (input.node === undefined) {
          const before = leaves.get(input);
          const total = before === undefined ? dx : sum(before, dx);
          leaves.set(input, inner.keep(total));
        } else {
          const before = pending.peek(input);
          if (before === undefined) pending.add(input, dx);
          else pending.replace(input, inner.keep(sum(before, dx)));
        }
      });
      for (const dy of dys) {
        if (dy !== undefined) {
          pending.release(dy, leaves.values(), scope.release.bind(scope));
        }
      }
    }
  });
  for (const [leaf, grad] of leaves) deliver(leaf, grad, scope);
}

/** Adds the gradient of a leaf to what it has. */
function deliver(
  leaf: Tensor,
  grad: Tensor,
  scope: { keep(tensor: Tensor): Tensor },
): void {
  const sink = sinks.get(leaf);
  if (sink === undefined) {
    const before = leaf.grad;
    leaf.grad = scope.keep(before === undefined ? grad : sum(before, grad));
  } else if (sink.hasGradient) {
    addInto(sink.gradient, grad);
  } else {
    sink.hasGradient = true;
    leaf.gpu.recorder.copyRange(grad, sink.gradient);
  }
}

/** Gradients that wait for their operation, with shared memory counted. */
class Pending {
  readonly #grads: Map<Tensor, Tensor> = new Map();
  readonly #uses: Map<Storage, number> = new Map();
  readonly #owns: (storage: Storage) => boolean;

  constructor(owns: (storage: Storage) => boolean) {
    this.#owns = owns;
  }

  peek(output: Tensor): Tensor | undefined {
    return this.#grads.get(output);
  }

  add(output: Tensor, grad: Tensor): void {
    this.#grads.set(output, grad);
    this.#count(grad.storage, 1);
  }

  replace(output: Tensor, grad: Tensor): void {
    const before = this.#grads.get(output);
    if (before !== undefined) this.#count(before.storage, -1);
    this.add(output, grad);
  }

  take(output: Tensor): Tensor | undefined {
    const grad = this.#grads.get(output);
    if (grad === undefined) return undefined;
    this.#grads.delete(output);
    this.#count(grad.storage, -1);
    return grad;
  }

  /** Frees a consumed gradient's memory if nothing else shares it. */
  release(
    grad: Tensor,
    leaves: Iterable<Tensor>,
    free: (storage: Storage) => void,
  ): void {
    const { storage } = grad;
    if (this.#uses.has(storage) || !this.#owns(storage)) return;
    for (const leaf of leaves) if (leaf.storage === storage) return;
    free(storage);
  }

  #count(storage: Storage, change: number): void {
    const count = (this.#uses.get(storage) ?? 0) + change;
    if (count === 0) this.#uses.delete(storage);
    else this.#uses.set(storage, count);
  }
}

/** Operations between the leaves and `loss`, each after all that use it. */
function topological(loss: Tensor): GradNode[] {
  const order: GradNode[] = [];
  const seen = new Set<GradNode>();
  const stack: { node: GradNode; next: number }[] = [];
  const visit = (node: GradNode | undefined) => {
    if (node === undefined || seen.has(node)) return;
    seen.add(node);
    stack.push({ node, next: 0 });
  };
  visit(loss.node);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const input = top.node.inputs[top.next++];
    if (input !== undefined) visit(input.node);
    else order.push(stack.pop()!.node);
  }
  return order.reverse();
}

/** x + y in new memory, for two gradients of one tensor. */
function sum(x: Tensor, y: Tensor): Tensor {
  const total = emptyLike(x);
  run("sum", { x, y, total });
  return total;
}

/** total += x, in place. */
function addInto(total: Tensor, x: Tensor): void {
  run("addInto", { x, total });
}

function run(
  entry: string,
  bindings: { readonly x: Tensor } & Readonly<Record<string, Tensor>>,
): void {
  const { gpu, size } = bindings.x;
  const count = ceilDiv(size, 4);
  const grid = flatGrid(ceilDiv(count, 64));
  shaders[gpu.operandSourceFor(size)].run(entry, bindings, { count }, grid);
}
