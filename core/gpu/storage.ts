import type { Gpu } from "./gpu.ts";

/** A buffer of the pool and the last batch of commands that names it. */
export interface Block {
  /** The buffer. */
  readonly buffer: GPUBuffer;
  /** Its size in bytes, a multiple of 256. */
  readonly bytes: number;
  /** Distinguishes blocks in bind group keys. */
  readonly id: number;
  /** Number of the last batch of recorded commands that uses the buffer. */
  lastBatch: number;
}

/** A copy of a storage's floats as texels of four, for fast reading. */
export interface TexelCopy {
  /** The texture; its rows are those of TEXEL_ROW when it has several. */
  readonly texture: GPUTexture;
  /** Its only view. */
  readonly view: GPUTextureView;
  /** Distinguishes textures in bind group keys. */
  readonly id: number;
  /** Version of the storage that was copied; -1 before the first copy. */
  version: number;
}

/** Texel formats: four floats of 4 bytes, or four halves of 2. */
export type TexelFormat = "rgba32float" | "rgba16float";

/** Bytes of a texel. */
export const TEXEL_BYTES: Readonly<Record<TexelFormat, number>> = {
  rgba32float: 16,
  rgba16float: 8,
};

/** Another layout of a storage's content, such as packed weights. */
export interface Derived {
  /** Version of the storage that it was made from. */
  readonly version: number;
  /** What was made; a tensor. */
  readonly value: Range;
}

/** What a kernel binding takes: a range of a storage. Tensors are such ranges. */
export interface Range {
  /** Where the bytes are. */
  readonly storage: Storage;
  /** First byte, a multiple of the adapter's offset alignment. */
  readonly offset: number;
  /** Length in bytes. */
  readonly bytes: number;
}

/**
 * A part of a range.
 *
 * @param range the whole
 * @param start first byte within it, a multiple of 256
 * @param bytes length; default, and at most, to its end
 */
export function partOf(range: Range, start: number, bytes?: number): Range {
  const left = range.bytes - start;
  return {
    storage: range.storage,
    offset: range.offset + start,
    bytes: Math.min(bytes ?? left, left),
  };
}

/**
 * Memory on the device with one owner: the scope it was made in.
 *
 * Tensors are views of it. It is freed when its scope closes; using it later
 * is an error that names it.
 */
export class Storage implements Range {
  /** Counts writes, so that stale texel copies are seen. */
  version = 0;
  /** Other layouts of its content, by name; they are freed with it. */
  readonly derived: Map<string, Derived> = new Map();
  /** Texel copies by first byte and length. */
  readonly texels: Map<string, TexelCopy> = new Map();
  #block: Block | undefined;
  #freed = false;

  /**
   * Owns a buffer of the pool until it is freed.
   *
   * @param gpu the device
   * @param block the buffer
   * @param bytes bytes in use, at most the block's
   * @param label what the storage holds, for messages
   */
  constructor(
    readonly gpu: Gpu,
    block: Block,
    readonly bytes: number,
    readonly label: string,
  ) {
    this.#block = block;
  }

  /** This storage. */
  get storage(): this {
    return this;
  }

  /** Always 0: a storage is a range from its first byte. */
  get offset(): number {
    return 0;
  }

  /** Whether the memory went back to the pool. */
  get freed(): boolean {
    return this.#freed;
  }

  /**
   * The buffer.
   *
   * @throws {Error} if the storage was freed, or holds texels only
   */
  get block(): Block {
    if (this.#block === undefined) {
      throw new Error(
        `Cannot use ${this.label}: ${
          this.#freed
            ? "it was freed with its scope; keep it with scope.keep()"
            : "only its texels were kept"
        }`,
      );
    }
    return this.#block;
  }

  /**
   * Gives the buffer back to the pool and keeps its content as texels, for
   * kernels that read it as such and nothing else.
   */
  keepTexels(): void {
    this.gpu.texels({ storage: this, offset: 0, bytes: this.bytes });
    this.gpu.pool.releaseBlock(this.block);
    this.#block = undefined;
  }

  /** Gives the memory back to the pool at once. Does nothing the second time. */
  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    for (const { value } of this.derived.values()) value.storage.free();
    this.derived.clear();
    if (this.#block !== undefined) this.gpu.pool.releaseBlock(this.#block);
    this.#block = undefined;
    this.gpu.pool.release(this);
  }
}

/**
 * Owns the storages that are made while it is the innermost scope, and those
 * that inner scopes keep; frees them when it closes.
 *
 * @example
 * ```ts ignore
 * using scope = gpu.scope();
 * const y = scope.keep(layerNorm(x, 1e-5)); // outlives the scope
 * ```
 */
export class Scope {
  readonly #gpu: Gpu;
  readonly #storages: Set<Storage> = new Set();

  /**
   * Opens no scope by itself: `gpu.scope()` does.
   *
   * @param gpu the device whose storages it frees
   */
  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /** Makes the scope own a storage. */
  adopt(storage: Storage): void {
    this.#storages.add(storage);
  }

  /** Whether the scope owns a storage. */
  owns(storage: Storage): boolean {
    return this.#storages.has(storage);
  }

  /**
   * Hands a storage, or the storage of a tensor, to the parent scope.
   *
   * @param value a tensor or storage made in this scope
   * @returns `value`
   */
  keep<T extends Range>(value: T): T {
    if (this.#storages.delete(value.storage)) {
      this.#gpu.parentOf(this)?.adopt(value.storage);
    }
    return value;
  }

  /** Gives up ownership of a storage: it lives until it is freed by hand. */
  detach(storage: Storage): void {
    this.#storages.delete(storage);
  }

  /** Frees one storage before the scope closes. */
  release(storage: Storage): void {
    if (this.#storages.delete(storage)) storage.free();
  }

  /**
   * Frees what the scope owns.
   *
   * @throws {Error} if an inner scope is still open
   */
  [Symbol.dispose](): void {
    this.#gpu.closeScope(this);
    for (const storage of this.#storages) storage.free();
    this.#storages.clear();
  }
}
