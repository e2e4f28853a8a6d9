import source from "../../kernels/guard.wgsl" with { type: "text" };
import type { Gpu } from "./gpu.ts";
import { flatGrid } from "./grid.ts";
import { defineShader } from "./shader.ts";
import type { Range, Storage } from "./storage.ts";

/** Results that can be watched between two reads. */
const CAPACITY = 65_536;

const shader = defineShader("guard", [source]);

/**
 * Finds the first kernel that produced NaN or infinity.
 *
 * After each dispatch it scans what was written and sets a flag; the flags are
 * looked at with the next read.
 */
export class Guard {
  readonly #gpu: Gpu;
  #flags: Storage | undefined;
  #watched: { label: string; step: number }[] = [];
  #busy = false;

  /** Step that messages name; the training loop or the optimizer counts it. */
  step = 0;

  /**
   * Creates a guard that watches nothing yet.
   *
   * @param gpu the device
   */
  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** Watches ranges of floats that a kernel has just written. */
  watch(label: string, ranges: readonly Range[]): void {
    if (this.#busy) return;
    this.#busy = true;
    for (const range of ranges) {
      if (this.#watched.length >= CAPACITY) break;
      if (this.#flags === undefined) {
        this.#flags = this.#gpu.pool.allocate(4 * CAPACITY, "guard flags");
        this.#gpu.recorder.clear(this.#flags);
      }
      const slot = this.#watched.length;
      this.#watched.push({ label, step: this.step });
      const count = range.bytes / 4;
      const grid = flatGrid(Math.ceil(count / 4096));
      shader.run(
        "scan",
        { x: range, flags: this.#flags },
        { count, slot },
        grid,
      );
    }
    this.#busy = false;
  }

  /**
   * Looks at the flags.
   *
   * @throws {Error} naming the first kernel and step with a value that is not
   *   finite
   */
  async check(): Promise<void> {
    const flags = this.#flags;
    if (flags === undefined || this.#busy) return;
    this.#busy = true;
    const watched = this.#watched;
    this.#watched = [];
    this.#flags = undefined;
    try {
      const bytes = await this.#gpu.readBytes(flags);
      const first = new Uint32Array(bytes.buffer).indexOf(1);
      const found = watched[first];
      if (found !== undefined) {
        throw new Error(
          `Cannot go on: ${found.label} produced NaN or infinity in step ${found.step}`,
        );
      }
    } finally {
      flags.free();
      this.#busy = false;
    }
  }
}
