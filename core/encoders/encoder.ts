import type { Gpu } from "../gpu/gpu.ts";
import type { Module } from "../nn/module.ts";
import { type Shape, showShape, sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type FrozenOptions, readFinite, type WeightSource } from "./frozen.ts";
import { findPrefix, guessNetwork, listNames } from "./known_names.ts";

/** A frozen network that turns frames into embeddings. */
export interface Encoder {
  /** Key of the encoder, such as "vit_s16". */
  readonly name: string;
  /** Length of an embedding. */
  readonly width: number;
  /** Side of the frames that come in, in pixels. */
  readonly inputSize: number;
  /**
   * Puts all weights on the device.
   *
   * @param gpu device
   * @param weights a file under any of the network's public namings
   * @param options whether matrices are kept as 16-bit floats
   * @throws {TypeError} if names or shapes are not the network's
   */
  load(
    gpu: Gpu,
    weights: WeightSource,
    options?: FrozenOptions,
  ): Promise<void>;
  /**
   * Compares names and shapes of a file with the network's; reads no values.
   *
   * @param weights a file under any of the network's public namings
   * @throws {TypeError} saying what is missing, surplus or misshaped, and
   *   which network the names look like
   */
  check(weights: WeightSource): void;
  /**
   * Embeds frames. The encoder applies its own normalization.
   *
   * @param frames (B, inputSize, inputSize, 3) in [0, 1]; encoders of clips
   *   also take (B, T, inputSize, inputSize, 3)
   * @returns (B, width), owned by the innermost scope
   * @throws {RangeError} if the shape does not fit
   */
  encode(frames: Tensor): Tensor;
  /**
   * Embeds frames as a grid of tokens, where the network has one.
   *
   * @param frames as {@linkcode Encoder.encode} takes them
   * @returns (B, tokens, width), row-major over the grid
   * @throws {RangeError} if the shape does not fit
   */
  spatialTokens?(frames: Tensor): Tensor;
  /** Frees the weights on the device. */
  [Symbol.dispose](): void;
}

/** Where a file keeps the values of one parameter. */
export interface Place {
  /** Names in the file; several are joined along the first axis. */
  readonly names: readonly string[];
  /** Shape of each in the file, where it is not the parameter's. */
  readonly shape?: Shape;
  /** Whether the file holds the transposed matrix. */
  readonly isTransposed?: boolean;
}

/** The names of one publisher of a network's weights. */
export interface Naming {
  /** Who uses it, for messages. */
  readonly publisher: string;
  /** A name that no other naming of the network has. */
  readonly mark: string;
  /**
   * What the publisher puts before all names, first choice first. Default
   * none. What wraps any network may stand before that.
   */
  readonly prefixes?: readonly string[];
  /** Names that belong to other parts of the file. */
  readonly ignored?: RegExp;
  /**
   * Finds a parameter.
   *
   * @param name the parameter's name in the module
   * @param shape its shape
   */
  place(name: string, shape: Shape): Place;
}

/** A parameter that is computed from another shape in the file. */
export interface Conversion {
  /** Shape in the file, as the module would name it. */
  readonly shape: Shape;
  /** Computes the parameter's values from the file's. */
  convert(values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer>;
}

/** What {@linkcode matchWeights} needs to know of a network. */
export interface Published {
  /** The network, for messages. */
  readonly network: string;
  /** Its public namings. */
  readonly namings: readonly Naming[];
  /** Parameters that a file need not have and that are never read. */
  readonly unused?: RegExp;
  /** Parameters that are converted, by their names in the module. */
  readonly conversions?: Readonly<Record<string, Conversion>>;
}

/**
 * Finds a module's parameters in a file under one of its public namings.
 *
 * @param module what is to be filled
 * @param weights the file
 * @param published the network's namings and conversions
 * @returns the file as if it used the module's own names and shapes
 * @throws {TypeError} if the file is of another network, or listing every
 *   missing, surplus and misshaped name as the file spells it
 */
export function matchWeights(
  module: Module,
  weights: WeightSource,
  published: Published,
): WeightSource {
  const { network, conversions = {} } = published;
  const { places, found, surplus } = bestPlaces(module, weights, published);
  if (found.length > 0) {
    const text = found.map(([kind, list]) => `${kind} ${listNames(list)}`);
    // Networks that share most names differ in what is too much.
    const guess = guessNetwork(surplus);
    if (guess !== undefined) text.push(`the names look like ${guess}`);
    throw new TypeError(
      `Cannot load weights into ${network}: ${text.join("; ")}`,
    );
  }
  const placeOf = (name: string) => {
    const place = places.get(name);
    if (place !== undefined) return place;
    throw new TypeError(`Cannot read "${name}": ${network} has no such name`);
  };
  return {
    ...(weights.file === undefined ? {} : { file: weights.file }),
    names: [...places.keys()],
    info(name) {
      const place = places.get(name);
      return place && { dtype: "F32", shape: place.own };
    },
    async read(name) {
      const place = placeOf(name);
      const parts: Float32Array<ArrayBuffer>[] = [];
      for (const part of place.names) {
        parts.push(await readFinite(weights, part));
      }
      let values = parts.length === 1 ? parts[0]! : joined(parts);
      if (place.isTransposed) values = transposed(values, place.own);
      values = conversions[name]?.convert(values) ?? values;
      const { buffer, byteOffset, byteLength } = values;
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      return { dtype: "F32", shape: place.own, bytes };
    },
  };
}

/** Where a file has a module's parameters, and what is wrong with it. */
interface Places {
  /** By the module's names. */
  readonly places: ReadonlyMap<string, Place & { readonly own: Shape }>;
  readonly surplus: readonly string[];
  /** Names by kind of problem; none if the file fits. */
  readonly found: readonly (readonly [string, readonly string[]])[];
}

function placesOf(
  module: Module,
  weights: WeightSource,
  { unused, conversions = {} }: Published,
  naming: Naming,
  prefix: string,
): Places {
  const places = new Map<string, Place & { readonly own: Shape }>();
  const known = new Set<string>();
  const missing: string[] = [];
  const misshaped: string[] = [];
  for (const [name, { shape }] of module.namedParameters()) {
    if (unused?.test(name)) continue;
    const own = conversions[name]?.shape ?? shape;
    const place = naming.place(name, own);
    const names = place.names.map((part) => prefix + part);
    const needed = place.shape ?? partShape(own, place);
    for (const part of names) {
      known.add(part);
      const info = weights.info(part);
      if (info === undefined) missing.push(part);
      else if (!fits(info.shape, needed)) {
        misshaped.push(
          `${part} is ${showShape(info.shape)}, needed ${showShape(needed)}`,
        );
      }
    }
    places.set(name, { ...place, names, own: shape });
  }
  const surplus = weights.names.filter((name) => {
    if (!name.startsWith(prefix) || known.has(name)) return false;
    const own = name.slice(prefix.length);
    return !unused?.test(own) && !naming.ignored?.test(own);
  });
  const problems = [
    ["missing", missing],
    ["surplus", surplus],
    ["misshaped", misshaped],
  ] as const;
  const found = problems.filter(([, list]) => list.length > 0);
  return { places, surplus, found };
}

/** The naming that fits, else the first one whose mark is in the file. */
function bestPlaces(
  module: Module,
  weights: WeightSource,
  published: Published,
): Places {
  const { network, namings } = published;
  let first: Places | undefined;
  for (const naming of namings) {
    const at = (prefix: string) =>
      placesOf(module, weights, published, naming, prefix);
    const prefix = findPrefix(
      weights.names,
      naming.mark,
      naming.prefixes ?? [""],
      (prefix) => at(prefix).found.length === 0,
    );
    if (prefix === undefined) continue;
    const places = at(prefix);
    if (places.found.length === 0) return places;
    first ??= places;
  }
  if (first !== undefined) return first;
  const guess = guessNetwork(weights.names);
  const looks = guess === undefined
    ? `no known network (${weights.names.slice(0, 4).join(", ")}, ...)`
    : guess;
  const needed = namings.map(({ mark, publisher }) =>
    `"${mark}" (${publisher})`
  );
  throw new TypeError(
    `Cannot load weights into ${network}: their names look like ${looks}, needed ${
      needed.join(" or ")
    }`,
  );
}

/** Whether a shape is the needed one; a matrix may be a 1x1 convolution. */
function fits(got: Shape, needed: Shape): boolean {
  const plain = needed.length === 2 && got.length === 4
    ? [...needed, 1, 1]
    : needed;
  return showShape(got) === showShape(plain);
}

/** Shape in the file of each part of a parameter. */
function partShape(own: Shape, { names, isTransposed }: Place): Shape {
  const [rows = 1, ...rest] = own;
  const shape = own.length === 0 ? own : [rows / names.length, ...rest];
  return isTransposed ? shape.toReversed() : shape;
}

function joined(
  parts: readonly Float32Array<ArrayBuffer>[],
): Float32Array<ArrayBuffer> {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const whole = new Float32Array(length);
  let start = 0;
  for (const part of parts) {
    whole.set(part, start);
    start += part.length;
  }
  return whole;
}

/** Values of the matrix of a shape from those of its transpose. */
function transposed(
  values: Float32Array<ArrayBuffer>,
  [rows = 0, columns = 0]: Shape,
): Float32Array<ArrayBuffer> {
  const result = new Float32Array(sizeOf([rows, columns]));
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result[row * columns + column] = values[column * rows + row]!;
    }
  }
  return result;
}

/**
 * Checks that frames are what an image encoder takes.
 *
 * @param network for the message
 * @param frames the input
 * @param side needed height and width, in pixels
 * @throws {RangeError} if they are not (B, side, side, 3)
 */
export function checkFrames(
  network: string,
  frames: Tensor,
  side: number,
): void {
  const [, ...image] = frames.shape;
  if (showShape(image) === showShape([side, side, 3])) return;
  throw new RangeError(
    `Cannot encode ${
      showShape(frames.shape)
    } with ${network}: needed (B, ${side}, ${side}, 3)`,
  );
}
