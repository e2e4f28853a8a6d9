import type { Storage } from "../gpu/storage.ts";
import type { Key } from "../tensor/philox.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Fills initial values from a stream of random numbers. */
export type Init = (
  values: Float32Array<ArrayBuffer>,
  key: Key,
) => void;

/**
 * A tensor of a module: trained, or a buffer that only travels with it.
 *
 * It has no device until the parameter store places it; until then values can
 * be loaded, and an operation on it is an error.
 */
export class Parameter extends Tensor {
  /** Values from a state dict, waiting for a device. */
  loaded: Float32Array<ArrayBuffer> | undefined;

  /**
   * Sets the shape and the values that a parameter store is to give it.
   *
   * @param shape axis lengths
   * @param init initial values
   * @param isTrained whether optimizers see it; false for buffers
   */
  constructor(
    shape: Shape,
    readonly init: Init,
    readonly isTrained: boolean = true,
  ) {
    super(shape, "f32", undefined);
    this.requiresGrad = isTrained;
  }

  /**
   * Gives the parameter memory.
   *
   * @param storage where its values are
   * @param offset first byte
   */
  moveTo(storage: Storage, offset: number): void {
    Tensor.place(this, storage, offset);
  }

  /** Loaded values, or initial ones drawn from `key`. */
  values(key: Key): Float32Array<ArrayBuffer> {
    if (this.loaded !== undefined) return this.loaded;
    const values = new Float32Array(sizeOf(this.shape));
    this.init(values, key);
    return values;
  }
}
