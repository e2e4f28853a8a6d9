import { assert, assertEquals } from "@std/assert";
import { readSafetensors } from "../../core/formats/safetensors.ts";
import type { Array64 } from "./array64.ts";

/** Reads a fixture in float64. */
export class Fixture64 {
  readonly #entries: ReadonlyMap<string, Array64>;

  private constructor(entries: ReadonlyMap<string, Array64>) {
    this.#entries = entries;
  }

  /** Reads all tensors of `fixtures/torch/NAME.safetensors`. */
  static async read(name: string): Promise<Fixture64> {
    const url = new URL(
      `../../fixtures/torch/${name}.safetensors`,
      import.meta.url,
    );
    using file = await readSafetensors(url);
    const entries = new Map<string, Array64>();
    for (const name of file.names) {
      const { dtype, shape, bytes } = await file.read(name);
      const memory = bytes.slice().buffer;
      const data = dtype === "F64"
        ? new Float64Array(memory)
        : Float64Array.from(new Float32Array(memory));
      entries.set(name, { shape, data });
    }
    return new Fixture64(entries);
  }

  /** The tensor of a name. */
  get(name: string): Array64 {
    const entry = this.#entries.get(name);
    assert(entry !== undefined, `the fixture has no "${name}"`);
    return entry;
  }

  /** The rows of a matrix. */
  rows(name: string): Float64Array[] {
    const { shape: [n = 0], data } = this.get(name);
    const width = data.length / n;
    return Array.from(
      { length: n },
      (_, i) => data.slice(i * width, (i + 1) * width),
    );
  }

  /** Compares with a tensor, relative to its largest value. */
  assertClose(got: ArrayLike<number>, name: string, tolerance: number): void {
    const wanted = this.get(name).data;
    assertEquals(got.length, wanted.length);
    const scale = Math.max(...wanted.map(Math.abs));
    const error = Math.max(...wanted.map((x, i) => Math.abs(x - got[i]!))) /
      scale;
    assert(
      error <= tolerance,
      `"${name}" is off by ${error}, more than ${tolerance}`,
    );
  }
}
