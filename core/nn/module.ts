import { findNotFinite } from "../formats/safetensors.ts";
import { showShape } from "../tensor/shape.ts";
import { Parameter } from "./parameter.ts";

/** Values of one name of a state dict. */
export interface StateEntry {
  /** Axis lengths. */
  readonly shape: readonly number[];
  /** Elements in row-major order. */
  readonly data: Float32Array<ArrayBuffer>;
}

/** Values by PyTorch's names. */
export type StateDict = Readonly<Record<string, StateEntry>>;

/**
 * A part of a network. Its fields are its parameters and children.
 *
 * State-dict names are the field path in snake case, joined by dots; a field
 * that already contains an underscore keeps its name. Published PyTorch
 * checkpoints thus load without a table of renames.
 */
export abstract class Module {
  /** Parameters and child modules with their names, in field order. */
  protected *members(): Generator<[name: string, member: unknown]> {
    for (const [field, value] of Object.entries(this)) {
      if (Array.isArray(value)) {
        for (const [i, item] of value.entries()) {
          yield [`${snakeCase(field)}.${i}`, item];
        }
      } else {
        yield [snakeCase(field), value];
      }
    }
  }

  /** Every parameter and buffer by its state-dict name. */
  *namedParameters(prefix = ""): Generator<[string, Parameter]> {
    for (const [name, member] of this.members()) {
      if (member instanceof Parameter) yield [prefix + name, member];
      else if (member instanceof Module) {
        yield* member.namedParameters(`${prefix}${name}.`);
      }
    }
  }

  /** Number of trained values. */
  get parameterCount(): number {
    let count = 0;
    for (const [, parameter] of this.namedParameters()) {
      if (parameter.isTrained) count += parameter.size;
    }
    return count;
  }

  /**
   * Reads all parameters and buffers from the device.
   *
   * @throws {Error} if the module is on no device
   */
  async stateDict(): Promise<Record<string, StateEntry>> {
    const result: Record<string, StateEntry> = {};
    for (const [name, parameter] of this.namedParameters()) {
      const data = await parameter.read() as Float32Array<ArrayBuffer>;
      result[name] = { shape: parameter.shape, data };
    }
    return result;
  }

  /**
   * Sets all parameters and buffers, on the device or before there is one.
   *
   * @param dict values by name
   * @param source where they are from, for the message
   * @throws {TypeError} listing every name that is missing, surplus, misshaped
   *   or has a value that is not finite; nothing is changed then
   */
  loadStateDict(dict: StateDict, source = "a state dict"): void {
    const parameters = new Map(this.namedParameters());
    const missing: string[] = [];
    const misshaped: string[] = [];
    const infinite: string[] = [];
    for (const [name, { shape }] of parameters) {
      const entry = dict[name];
      if (entry === undefined) {
        missing.push(name);
        continue;
      }
      if (showShape(entry.shape) !== showShape(shape)) {
        misshaped.push(
          `${name} is ${showShape(entry.shape)}, needed ${showShape(shape)}`,
        );
      }
      const at = findNotFinite(entry.data);
      if (at >= 0) infinite.push(`${name} (${entry.data[at]} at ${at})`);
    }
    const surplus = Object.keys(dict).filter((name) => !parameters.has(name));
    const problems = [
      missing.length > 0 ? `missing ${missing.join(", ")}` : "",
      surplus.length > 0 ? `surplus ${surplus.join(", ")}` : "",
      misshaped.length > 0 ? `misshaped ${misshaped.join(", ")}` : "",
      infinite.length > 0 ? `not finite ${infinite.join(", ")}` : "",
    ].filter(Boolean);
    if (problems.length > 0) {
      throw new TypeError(
        `Cannot load ${source} into ${this.constructor.name}: ${
          problems.join("; ")
        }`,
      );
    }
    for (const [name, parameter] of parameters) {
      const { data } = dict[name]!;
      if (parameter.isPlaced) parameter.gpu.write(parameter, data);
      else parameter.loaded = data;
    }
  }
}

function snakeCase(field: string): string {
  if (field.includes("_")) return field;
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
