import {
  findNotFinite,
  type TensorFile,
  toFloat32,
} from "../formats/safetensors.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { Storage } from "../gpu/storage.ts";
import { constant } from "../nn/init.ts";
import { Linear } from "../nn/layers.ts";
import type { Module, StateEntry } from "../nn/module.ts";
import { Parameter } from "../nn/parameter.ts";
import { linear, type LinearOptions } from "../ops/linear.ts";
import { type Shape, showShape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { findPrefix, guessNetwork, listNames } from "./known_names.ts";

/** Where weights come from: an open file, or anything that reads like one. */
export type WeightSource =
  & Pick<TensorFile, "names" | "info" | "read">
  & Partial<Pick<TensorFile, "file">>;

/** How a frozen network's weights are kept on the device. */
export interface FrozenOptions {
  /** Whether matrices of {@linkcode FrozenLinear} are 16-bit floats. */
  readonly half?: boolean;
}

/** A matrix that may be on the device as 16-bit floats. */
export class FrozenWeight extends Parameter {
  /** The 16-bit floats, if they are in use. */
  half: Tensor | undefined;
}

/** A {@linkcode Linear} of a frozen network, whose matrix may be halves. */
export class FrozenLinear extends Linear {
  /** `weight`: (outputs, inputs) */
  override readonly weight: FrozenWeight;

  /**
   * Makes the layer without values, which come with the network's weights.
   *
   * @param inputs features that come in, a multiple of 4
   * @param outputs features that go out
   */
  constructor(inputs: number, outputs: number) {
    super(inputs, outputs);
    this.weight = new FrozenWeight([outputs, inputs], constant(0));
  }

  /**
   * Applies the layer.
   *
   * @param x (..., inputs)
   * @param options fused activation
   * @returns (..., outputs)
   */
  override forward(x: Tensor, options: LinearOptions = {}): Tensor {
    return linear(x, this.weight.half ?? this.weight, this.bias, options);
  }
}

/** Values of a module on the host, in the order of its parameters. */
export type FrozenValues = readonly (
  | Float32Array<ArrayBuffer>
  | Float16Array<ArrayBuffer>
)[];

/** The device memory of a frozen module, outside every scope. */
export class FrozenWeights {
  readonly #storages: readonly Storage[];

  /**
   * Takes charge of memory outside every scope.
   *
   * @param storages what it frees
   */
  constructor(storages: readonly Storage[]) {
    this.#storages = storages;
  }

  /** Bytes on the device. */
  get bytes(): number {
    return this.#storages.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Frees the memory; the module can no longer be used. */
  [Symbol.dispose](): void {
    for (const storage of this.#storages) storage.free();
  }
}

/** What of a module is missing, surplus or misshaped in a file. */
function problemsOf(
  module: Module,
  weights: WeightSource,
  prefix: string,
): readonly (readonly [kind: string, names: readonly string[]])[] {
  const missing: string[] = [];
  const misshaped: string[] = [];
  const known = new Set<string>();
  for (const [name, { shape }] of module.namedParameters(prefix)) {
    known.add(name);
    const info = weights.info(name);
    if (info === undefined) missing.push(name);
    else if (showShape(info.shape) !== showShape(shape)) {
      misshaped.push(
        `${name} is ${showShape(info.shape)}, needed ${showShape(shape)}`,
      );
    }
  }
  const surplus = weights.names.filter((name) =>
    name.startsWith(prefix) && !known.has(name)
  );
  const problems = [["missing", missing], ["surplus", surplus], [
    "misshaped",
    misshaped,
  ]] as const;
  return problems.filter(([, names]) => names.length > 0);
}

/**
 * Compares the names and shapes that a module needs with those of a file.
 *
 * @param module what is to be filled
 * @param weights the file; names without the prefix are other networks'
 * @param prefix what the module's names begin with in the file
 * @throws {TypeError} listing missing, surplus and misshaped names
 */
export function checkWeights(
  module: Module,
  weights: WeightSource,
  prefix: string,
): void {
  const found = problemsOf(module, weights, prefix);
  if (found.length === 0) return;
  const text = found.map(([kind, names]) => `${kind} ${listNames(names)}`);
  const lacks = found.some(([kind]) => kind === "missing");
  const guess = lacks ? guessNetwork(weights.names) : undefined;
  if (guess !== undefined) text.push(`the names look like ${guess}`);
  throw new TypeError(
    `Cannot load weights into ${module.constructor.name}: ${text.join("; ")}`,
  );
}

/**
 * Reads the values of a module from a file that {@linkcode checkWeights}
 * accepted, and waits for nothing but the file.
 *
 * @param module whose names are read
 * @param weights the file
 * @param prefix what the module's names begin with in the file
 * @param options which values become 16-bit floats
 * @throws {RangeError} as {@linkcode readFinite}
 */
export async function readFrozen(
  module: Module,
  weights: WeightSource,
  prefix: string,
  options: FrozenOptions = {},
): Promise<FrozenValues> {
  const values: FrozenValues[number][] = [];
  for (const [name, parameter] of module.namedParameters(prefix)) {
    values.push(await readOne(weights, name, parameter, options));
  }
  return values;
}

/**
 * Puts values on the device. The parameters get no gradient and belong to no
 * optimizer.
 *
 * @param gpu device
 * @param module whose parameters they are
 * @param values from {@linkcode readFrozen}
 * @returns the memory
 */
export function placeFrozen(
  gpu: Gpu,
  module: Module,
  values: FrozenValues,
): FrozenWeights {
  const storages: Storage[] = [];
  [...module.namedParameters()].forEach(([name, parameter], i) => {
    storages.push(placeOne(gpu, name, parameter, values[i]!));
  });
  return new FrozenWeights(storages);
}

/**
 * Checks, reads and places all weights of a module, one parameter at a time,
 * so that the host never holds the network.
 *
 * @param gpu device
 * @param module whose parameters are filled
 * @param weights the file
 * @param prefix what the module's names begin with in the file
 * @param options which values become 16-bit floats
 * @returns the memory
 * @throws {TypeError} as {@linkcode checkWeights}
 * @throws {RangeError} as {@linkcode readFinite}
 */
export async function loadFrozen(
  gpu: Gpu,
  module: Module,
  weights: WeightSource,
  prefix: string,
  options: FrozenOptions = {},
): Promise<FrozenWeights> {
  checkWeights(module, weights, prefix);
  const storages: Storage[] = [];
  for (const [name, parameter] of module.namedParameters(prefix)) {
    const data = await readOne(weights, name, parameter, options).catch(
      (error) => {
        for (const storage of storages) storage.free();
        throw error;
      },
    );
    storages.push(placeOne(gpu, name, parameter, data));
  }
  return new FrozenWeights(storages);
}

/**
 * Reads one tensor as float32.
 *
 * @param weights the file
 * @param name of the tensor in it
 * @throws {RangeError} naming tensor and file if a value is not finite: the
 *   network's results would be plausible numbers or none
 */
export async function readFinite(
  weights: WeightSource,
  name: string,
): Promise<Float32Array<ArrayBuffer>> {
  const values = toFloat32(await weights.read(name));
  const at = findNotFinite(values);
  if (at < 0) return values;
  throw new RangeError(
    `Cannot load weights${
      weights.file === undefined ? "" : ` of "${weights.file}"`
    }: value ${at} of tensor "${name}" is ${
      values[at]
    }, needed finite numbers; get the file again`,
  );
}

/** Values of one parameter as they are kept on the device. */
async function readOne(
  weights: WeightSource,
  name: string,
  parameter: Parameter,
  { half }: FrozenOptions,
): Promise<FrozenValues[number]> {
  const values = await readFinite(weights, name);
  if (!half || !(parameter instanceof FrozenWeight)) return values;
  const halves = Float16Array.from(values);
  const at = findNotFinite(halves);
  if (at < 0) return halves;
  throw new RangeError(
    `Cannot keep tensor "${name}" as 16-bit floats: value ${at} is ${
      values[at]
    }, they end at 65504; keep 32 bits`,
  );
}

/**
 * The prefix of a network's names in a file: the given one or none, for files
 * that hold the network alone, behind whatever wraps the network.
 *
 * @param module the network
 * @param weights the file
 * @param prefix such as "encoder."
 * @throws {TypeError} if the file holds several such networks
 */
export function prefixIn(
  module: Module,
  weights: WeightSource,
  prefix: string,
): string {
  const [[mark] = [""]] = module.namedParameters();
  const fits = (own: string) => problemsOf(module, weights, own).length === 0;
  return findPrefix(weights.names, mark, [prefix, ""], fits) ??
    (weights.names.some((name) => name.startsWith(prefix)) ? prefix : "");
}

/**
 * Reads a state dict to go on training with.
 *
 * @param weights the file
 * @param mark a name of the network
 * @returns values under the network's names, without what wraps it
 * @throws {TypeError} if the file holds several such networks
 */
export async function readState(
  weights: WeightSource,
  mark: string,
): Promise<Record<string, StateEntry>> {
  const prefix = findPrefix(weights.names, mark, [""], () => true) ?? "";
  const state: Record<string, StateEntry> = {};
  for (const name of weights.names) {
    if (!name.startsWith(prefix)) continue;
    const tensor = await weights.read(name);
    const { shape } = tensor;
    state[name.slice(prefix.length)] = { shape, data: toFloat32(tensor) };
  }
  return state;
}

/** Gives one parameter memory and its values. */
function placeOne(
  gpu: Gpu,
  name: string,
  parameter: Parameter,
  data: FrozenValues[number],
): Storage {
  parameter.requiresGrad = false;
  const label = `weight "${name}"`;
  const storage = gpu.allocateLasting(Math.max(4, data.byteLength), label);
  const shape: Shape = parameter.shape;
  if (data instanceof Float16Array && parameter instanceof FrozenWeight) {
    parameter.half = new Tensor(shape, "f16", storage);
    gpu.write(parameter.half, data);
  } else {
    if (parameter instanceof FrozenWeight) parameter.half = undefined;
    parameter.moveTo(storage, 0);
    gpu.write(parameter, data);
  }
  return storage;
}
