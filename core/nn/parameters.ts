import type { Gpu } from "../gpu/gpu.ts";
import type { Storage } from "../gpu/storage.ts";
import { type GradientSink, setGradientSink } from "../tensor/autograd.ts";
import { key } from "../tensor/philox.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Module } from "./module.ts";
import type { Parameter } from "./parameter.ts";

/** Bytes to which each parameter is aligned: the largest offset alignment. */
const ALIGNMENT = 256;

/** A trained parameter and its place in the flat buffers. */
export interface Slot extends GradientSink {
  /** State-dict name, after the group's name if there are groups. */
  readonly name: string;
  /** The parameter. */
  readonly parameter: Parameter;
}

/** A range of the flat buffers that is clipped and stepped together. */
export interface Group {
  /** Name given by the caller, or "" for a single module. */
  readonly name: string;
  /** Views of the group's part of the flat buffers, (elements). */
  readonly values: Tensor;
  /** As `values`. */
  readonly gradients: Tensor;
  /** (1), factor of the gradients in the next step: 1, or less when clipped. */
  readonly factor: Tensor;
  /** Whether `factor` was set since the last step. */
  isClipped: boolean;
  /** First byte of the group in a flat buffer. */
  readonly offset: number;
}

/** Options of {@linkcode parameters}. */
export interface ParametersOptions {
  /** Seed of the initial values, a non-negative integer. Default 0. */
  readonly seed?: number;
}

/**
 * All trained parameters of a model in one flat buffer, and their gradients in
 * another, so that optimizers, clipping and averages are one dispatch each.
 *
 * It lives until it is disposed, outside every scope.
 */
export class ParameterStore {
  /** Device. */
  readonly gpu: Gpu;
  /** Trained parameters, in order. */
  readonly slots: readonly Slot[];
  /** Parts that are clipped apart; one if a single module was given. */
  readonly groups: readonly Group[];
  /** (elements), all values. */
  readonly values: Tensor;
  /** (elements), all gradients. */
  readonly gradients: Tensor;

  readonly #storages: Storage[] = [];

  /**
   * Places all parameters of modules and sets their values: those that were
   * loaded, else initial ones.
   *
   * @param gpu device
   * @param modules by group name
   * @param seed of the initial values
   */
  constructor(
    gpu: Gpu,
    modules: Readonly<Record<string, Module>>,
    seed: number,
  ) {
    this.gpu = gpu;
    const buffers: [string, Parameter][] = [];
    const ranges: { name: string; start: number; end: number }[] = [];
    const placed: { name: string; parameter: Parameter; offset: number }[] = [];
    let end = 0;
    for (const [group, module] of Object.entries(modules)) {
      const start = end;
      for (const [own, parameter] of module.namedParameters()) {
        const name = group === "" ? own : `${group}.${own}`;
        if (parameter.isPlaced) {
          throw new TypeError(
            `Cannot place parameter "${name}": it already is on a device`,
          );
        }
        if (!parameter.isTrained) buffers.push([name, parameter]);
        else {
          placed.push({ name, parameter, offset: end });
          end += ALIGNMENT * Math.ceil(parameter.bytes / ALIGNMENT);
        }
      }
      ranges.push({ name: group, start, end });
    }
    const bytes = Math.max(end, ALIGNMENT);
    const values = this.#allocate(bytes, "the parameters");
    const gradients = this.#allocate(bytes, "the gradients");
    this.values = new Tensor([bytes / 4], "f32", values);
    this.gradients = new Tensor([bytes / 4], "f32", gradients);
    const host = new Float32Array(bytes / 4);
    this.slots = placed.map(({ name, parameter, offset }) => {
      host.set(parameter.values(key(`init ${name}`, seed)), offset / 4);
      parameter.moveTo(values, offset);
      const gradient = new Tensor(parameter.shape, "f32", gradients, offset);
      const slot = { name, parameter, gradient, hasGradient: false };
      setGradientSink(parameter, slot);
      return slot;
    });
    gpu.write(this.values, host);
    gpu.recorder.clear(this.gradients);
    for (const [name, parameter] of buffers) {
      const storage = this.#allocate(parameter.bytes, `buffer "${name}"`);
      parameter.moveTo(storage, 0);
      gpu.write(parameter, parameter.values(key(`init ${name}`, seed)));
    }
    this.groups = ranges.filter(({ start, end }) => end > start).map(
      ({ name, start, end }) => {
        const shape = [(end - start) / 4];
        const factor = new Tensor(
          [1],
          "f32",
          this.#allocate(4, `clip factor of "${name}"`),
        );
        return {
          name,
          values: new Tensor(shape, "f32", values, start),
          gradients: new Tensor(shape, "f32", gradients, start),
          factor,
          isClipped: false,
          offset: start,
        };
      },
    );
  }

  /** Number of trained values. */
  get count(): number {
    return this.slots.reduce((n, { parameter }) => n + parameter.size, 0);
  }

  /**
   * Makes another flat buffer, such as a moment or an average.
   *
   * @param label what it holds
   */
  like(label: string): Tensor {
    const storage = this.#allocate(this.values.bytes, label);
    return new Tensor(this.values.shape, "f32", storage);
  }

  /** The part of a flat buffer that belongs to a group. */
  part(flat: Tensor, group: Group): Tensor {
    return new Tensor(
      group.values.shape,
      "f32",
      flat.storage,
      group.offset,
    );
  }

  /**
   * Finds a group.
   *
   * @param name the group's name; may be absent if there is one group
   * @throws {TypeError} if there is no such group
   */
  group(name?: string): Group {
    const found = name === undefined && this.groups.length === 1
      ? this.groups[0]
      : this.groups.find((group) => group.name === name);
    if (found === undefined) {
      throw new TypeError(
        `Cannot find parameter group "${name}": there are ${
          this.groups.map((group) => `"${group.name}"`).join(", ")
        }`,
      );
    }
    return found;
  }

  /** Sets the gradients of parameters that got none to zero. */
  completeGradients(): void {
    for (const slot of this.slots) {
      if (!slot.hasGradient) this.gpu.recorder.clear(slot.gradient);
      slot.hasGradient = true;
    }
  }

  /** Forgets all gradients: the next {@linkcode backward} starts anew. */
  zeroGrad(): void {
    for (const slot of this.slots) slot.hasGradient = false;
    for (const group of this.groups) group.isClipped = false;
  }

  #allocate(bytes: number, label: string): Storage {
    const storage = this.gpu.allocateLasting(bytes, label);
    this.#storages.push(storage);
    return storage;
  }

  /** Frees the buffers; the modules can no longer be used. */
  [Symbol.dispose](): void {
    for (const storage of this.#storages) storage.free();
  }
}

/**
 * Gives a model's parameters and buffers memory on a device.
 *
 * @param gpu device
 * @param model a module, or modules by name whose gradients may be clipped
 *   apart
 * @param options seed of the initial values
 * @returns the flat buffers that optimizers work on
 * @throws {TypeError} if a parameter is on a device already
 * @throws {RangeError} if the parameters exceed what the adapter binds
 */
export function parameters(
  gpu: Gpu,
  model: Module | Readonly<Record<string, Module>>,
  options: ParametersOptions = {},
): ParameterStore {
  const isModule = "namedParameters" in model &&
    typeof model.namedParameters === "function";
  const modules = (isModule ? { "": model } : model) as Readonly<
    Record<string, Module>
  >;
  return new ParameterStore(gpu, modules, options.seed ?? 0);
}
