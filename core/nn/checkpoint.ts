import {
  findNotFinite,
  type HostArray,
  readSafetensors,
  toFloat32,
  writeSafetensors,
} from "../formats/safetensors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Module, StateEntry } from "./module.ts";
import type { Ema, Optimizer } from "./optimizer.ts";
import type { ParameterStore } from "./parameters.ts";

/** What a checkpoint holds. */
export interface Checkpoint {
  /** Parameters. */
  readonly store: ParameterStore;
  /** Optimizer, whose state and step count are kept. */
  readonly optimizer?: Optimizer;
  /** Averages. */
  readonly ema?: Ema;
  /** Module whose other values are kept too, such as running moments. */
  readonly module?: Module;
}

/** The module's values that are no parameters of the store. */
async function otherState(
  { module, store }: Checkpoint,
): Promise<[string, StateEntry][]> {
  if (module === undefined) return [];
  const trained = new Set(store.slots.map(({ name }) => name));
  return Object.entries(await module.stateDict())
    .filter(([name]) => !trained.has(name));
}

/** The flat buffers of a checkpoint by the first part of their names. */
function buffersOf({ store, optimizer, ema }: Checkpoint): [string, Tensor][] {
  return [
    ["model", store.values],
    ...Object.entries(optimizer?.state ?? {}).map((
      [name, buffer],
    ): [string, Tensor] => [`optimizer.${name}`, buffer]),
    ...(ema === undefined ? [] : [["ema", ema.average] as [string, Tensor]]),
  ];
}

/**
 * Writes parameters, optimizer state, averages and step to one safetensors
 * file, by name: `model.NAME`, `optimizer.first.NAME`, `ema.NAME`, and
 * `state.NAME` for what else a module holds.
 *
 * The file appears by renaming: a kill at any moment leaves the old one or the
 * new one. Random numbers need no state, since they are keyed by step.
 *
 * @param path where to
 * @param checkpoint what to keep
 * @param metadata free text for the header, such as a digest of the settings
 */
export async function saveCheckpoint(
  path: string | URL,
  checkpoint: Checkpoint,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const tensors: Record<string, HostArray> = {};
  for (const [prefix, buffer] of buffersOf(checkpoint)) {
    const flat = await buffer.read() as Float32Array<ArrayBuffer>;
    for (const { name, parameter } of checkpoint.store.slots) {
      const start = parameter.offset / 4;
      tensors[`${prefix}.${name}`] = {
        shape: parameter.shape,
        data: flat.subarray(start, start + parameter.size),
      };
    }
  }
  for (const [name, entry] of await otherState(checkpoint)) {
    tensors[`state.${name}`] = entry;
  }
  await writeSafetensors(path, tensors, {
    ...metadata,
    step: String(checkpoint.optimizer?.stepCount ?? 0),
  });
}

/**
 * Reads what {@linkcode saveCheckpoint} wrote into the same parts. Nothing is
 * changed if the file does not fit.
 *
 * @param path the file
 * @param checkpoint parts to fill
 * @returns the header's metadata, with `step`
 * @throws {SyntaxError} if the file is damaged
 * @throws {TypeError} listing every name that is missing, surplus, misshaped
 *   or has a value that is not finite
 */
export async function loadCheckpoint(
  path: string | URL,
  checkpoint: Checkpoint,
): Promise<Readonly<Record<string, string>>> {
  using file = await readSafetensors(path);
  const { store, optimizer } = checkpoint;
  const step = Number(file.metadata["step"]);
  const surplus = new Set(file.names);
  const problems: string[] = [];
  const filled: [Tensor, Float32Array<ArrayBuffer>][] = [];
  const read = async (full: string) => {
    const values = toFloat32(await file.read(full));
    const at = findNotFinite(values);
    if (at >= 0) problems.push(`not finite ${full} (${values[at]} at ${at})`);
    return values;
  };
  for (const [prefix, buffer] of buffersOf(checkpoint)) {
    const flat = new Float32Array(buffer.size);
    for (const { name, parameter } of store.slots) {
      const full = `${prefix}.${name}`;
      const shape = file.info(full)?.shape;
      surplus.delete(full);
      if (shape === undefined) problems.push(`missing ${full}`);
      else if (shape.join() !== parameter.shape.join()) {
        problems.push(
          `misshaped ${full} (${shape.join(", ")}), needed (${
            parameter.shape.join(", ")
          })`,
        );
      } else {
        flat.set(await read(full), parameter.offset / 4);
      }
    }
    filled.push([buffer, flat]);
  }
  const others: Record<string, StateEntry> = {};
  for (const [name, { shape }] of await otherState(checkpoint)) {
    const full = `state.${name}`;
    surplus.delete(full);
    const found = file.info(full)?.shape;
    if (found?.join() !== shape.join()) {
      problems.push(
        found === undefined
          ? `missing ${full}`
          : `misshaped ${full} (${found.join(", ")}), needed (${
            shape.join(", ")
          })`,
      );
    } else {
      others[name] = { shape, data: await read(full) };
    }
  }
  problems.push(...[...surplus].map((name) => `surplus ${name}`));
  if (!Number.isSafeInteger(step)) problems.push("missing metadata step");
  if (problems.length > 0) {
    throw new TypeError(
      `Cannot load checkpoint "${path}": ${problems.join("; ")}`,
    );
  }
  for (const [buffer, flat] of filled) store.gpu.write(buffer, flat);
  const { module } = checkpoint;
  if (module !== undefined) {
    module.loadStateDict({ ...await module.stateDict(), ...others });
  }
  if (optimizer !== undefined) optimizer.stepCount = step;
  store.zeroGrad();
  return file.metadata;
}
