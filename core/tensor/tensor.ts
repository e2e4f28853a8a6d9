import type { Gpu } from "../gpu/gpu.ts";
import type { Range, Storage } from "../gpu/storage.ts";
import { type GradNode, record } from "./autograd.ts";
import { BYTES, type DType, type HostData, viewAs } from "./dtype.ts";
import { type Shape, showShape, sizeOf } from "./shape.ts";

/**
 * A contiguous, row-major array on the device.
 *
 * Operations are functions that take tensors and record work; only
 * {@linkcode Tensor.read} and {@linkcode Tensor.item} wait. The memory belongs
 * to the innermost scope that was open when the tensor was made.
 */
export class Tensor implements Range {
  /** Number of elements. */
  readonly size: number;
  /** Whether {@linkcode backward} computes a gradient for it. */
  requiresGrad = false;
  /** The operation that made it, if gradients flow through it. */
  node: GradNode | undefined;
  /**
   * Gradient of a leaf after {@linkcode backward}: same shape, f32.
   * Owned by the scope that was innermost when `backward` was called.
   */
  grad: Tensor | undefined;

  #storage: Storage | undefined;

  /**
   * Views memory that exists; `empty` and its like allocate.
   *
   * @param shape axis lengths
   * @param dtype element type
   * @param storage memory, or `undefined` for a parameter without a device
   * @param offset first byte in the storage
   */
  constructor(
    readonly shape: Shape,
    readonly dtype: DType,
    storage: Storage | undefined,
    readonly offset: number = 0,
  ) {
    this.size = sizeOf(shape);
    this.#storage = storage;
  }

  /** Length in bytes. */
  get bytes(): number {
    return this.size * BYTES[this.dtype];
  }

  /**
   * The memory.
   *
   * @throws {Error} if it is a parameter that is not on a device
   */
  get storage(): Storage {
    if (this.#storage === undefined) {
      throw new Error(
        `Cannot use a parameter ${
          showShape(this.shape)
        } that is on no device: call parameters(gpu, model) first`,
      );
    }
    return this.#storage;
  }

  /** Whether the tensor has memory on a device. */
  get isPlaced(): boolean {
    return this.#storage !== undefined;
  }

  /** The device. */
  get gpu(): Gpu {
    return this.storage.gpu;
  }

  /**
   * Copies the elements to the host. A read submits and waits at least 11 ms:
   * late, seldom, never inside a loop over layers.
   *
   * @returns row-major elements, typed by `dtype`
   * @throws {Error} if the tensor was freed or a recorded command failed
   */
  async read(): Promise<HostData> {
    return viewAs(this.dtype, await this.gpu.readBytes(this));
  }

  /**
   * Copies the only element to the host.
   *
   * @throws {RangeError} if there is not exactly one
   */
  async item(): Promise<number> {
    if (this.size !== 1) {
      throw new RangeError(
        `Cannot take the item of a tensor ${
          showShape(this.shape)
        }: it has ${this.size} elements, needed 1`,
      );
    }
    const [value] = await this.read();
    return value!;
  }

  /**
   * Views the elements under another shape; copies nothing.
   *
   * @param shape axis lengths, one of which may be -1 to be computed
   * @returns a tensor with the same memory
   * @throws {RangeError} if the number of elements differs
   */
  reshape(shape: Shape): Tensor {
    const known = shape.reduce(
      (n, length) => length === -1 ? n : n * length,
      1,
    );
    const full = shape.map((length) =>
      length === -1 ? this.size / known : length
    );
    if (
      sizeOf(full) !== this.size || full.some((n) => !Number.isInteger(n)) ||
      shape.filter((length) => length === -1).length > 1
    ) {
      throw new RangeError(
        `Cannot reshape ${showShape(this.shape)} to ${
          showShape(shape)
        }: it has ${this.size} elements`,
      );
    }
    const view = new Tensor(full, this.dtype, this.storage, this.offset);
    return record(view, [this], (dy) => [dy.reshape(this.shape)]);
  }

  /** Frees the memory before its scope closes. */
  free(): void {
    this.#storage?.free();
  }

  /**
   * Gives a parameter its memory. Called once, by the parameter store.
   *
   * @param place memory and first byte
   */
  protected static place(
    tensor: Tensor,
    storage: Storage,
    offset: number,
  ): void {
    tensor.#storage = storage;
    (tensor as { offset: number }).offset = offset;
  }
}
