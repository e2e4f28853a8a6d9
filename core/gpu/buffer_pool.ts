import type { Gpu } from "./gpu.ts";
import {
  type Block,
  Storage,
  TEXEL_BYTES,
  type TexelCopy,
  type TexelFormat,
} from "./storage.ts";

/** Texels in a full row of a texel copy; kernels divide by it with a shift. */
export const TEXEL_ROW = 1024;

/**
 * Unused texels behind a full row: matrix rows of a power of two would
 * otherwise share the same few sets of the processor's cache (4 % of a matrix
 * product).
 */
const ROW_PADDING = 4;

/** Free memory above which buffers are destroyed instead of kept, in bytes. */
const KEEP_FREE = 2 ** 30;

/**
 * Batches after which a buffer that nothing took again is destroyed: what
 * another stage of an experiment needs is not what the last one needed.
 */
const WAITS = 64;

/** Something free, and the batch in which it became so. */
interface Waiting<T> {
  readonly item: T;
  readonly since: number;
}

/** Device memory in use, as {@linkcode Gpu.memory} reports it. */
export interface Memory {
  /** Storages that are not freed. */
  readonly live: number;
  /** Their bytes. */
  readonly liveBytes: number;
  /** Bytes of all buffers and textures, in use or waiting for reuse. */
  readonly bytes: number;
  /** Largest value of `bytes` so far. */
  readonly peakBytes: number;
}

/**
 * Whole buffers, reused by exact size.
 *
 * A freed buffer is reused at once, since commands keep their order; it is
 * destroyed only between batches, when too many wait. Garbage collection does
 * not free device memory in practice, hence explicit ownership.
 */
export class BufferPool {
  readonly #gpu: Gpu;
  readonly #budget: number;
  readonly #free: Map<number, Waiting<Block>[]> = new Map();
  readonly #freeTexels: Map<string, Waiting<TexelCopy>[]> = new Map();
  #live = 0;
  #liveBytes = 0;
  #freeBytes = 0;
  #bytes = 0;
  #peakBytes = 0;
  #nextId = 0;

  /**
   * Creates an empty pool.
   *
   * @param gpu the device
   * @param budget bytes that buffers and textures may take together
   */
  constructor(gpu: Gpu, budget: number) {
    this.#gpu = gpu;
    this.#budget = budget;
  }

  /** What is in use. */
  memory(): Memory {
    return {
      live: this.#live,
      liveBytes: this.#liveBytes,
      bytes: this.#bytes,
      peakBytes: this.#peakBytes,
    };
  }

  /**
   * Takes a buffer from the pool or makes one. Its content is undefined.
   *
   * @param bytes size wanted, at least 4
   * @param label what it is for, for messages
   * @throws {RangeError} if the adapter's limits or the budget forbid it
   */
  allocate(bytes: number, label: string): Storage {
    const rounded = Math.ceil(bytes / 256) * 256;
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#gpu.limits;
    const most = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    if (rounded > most) {
      throw new RangeError(
        `Cannot create ${label}: it takes ${rounded} bytes, this adapter binds at most ${most}; split it along its first axis`,
      );
    }
    const reused = this.#free.get(rounded)?.pop()?.item;
    if (reused !== undefined) this.#freeBytes -= rounded;
    const block = reused ?? this.#make(rounded, label);
    this.#live++;
    this.#liveBytes += rounded;
    return new Storage(this.#gpu, block, bytes, label);
  }

  #make(bytes: number, label: string): Block {
    this.#reserve(bytes, label);
    const buffer = this.#gpu.device.createBuffer({
      label,
      size: bytes,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC |
        GPUBufferUsage.COPY_DST,
    });
    return { buffer, bytes, id: this.#nextId++, lastBatch: 0 };
  }

  #reserve(bytes: number, label: string): void {
    if (this.#bytes + bytes > this.#budget) {
      this.#gpu.flush();
      this.#destroyFree();
    }
    if (this.#bytes + bytes > this.#budget) {
      throw new RangeError(
        `Cannot create ${label}: ${this.#bytes} bytes are in use and ${bytes} more exceed the memory budget of ${this.#budget}; free tensors or lower the batch size`,
      );
    }
    this.#bytes += bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#bytes);
  }

  /** Takes back the buffer of a storage. */
  releaseBlock(block: Block): void {
    this.#liveBytes -= block.bytes;
    this.#freeBytes += block.bytes;
    this.#wait(this.#free, block.bytes, block);
  }

  /**
   * Takes back the texel copies of a freed storage.
   *
   * @param storage what was freed
   */
  release(storage: Storage): void {
    this.#live--;
    for (const copy of storage.texels.values()) {
      copy.version = -1;
      const { texture } = copy;
      this.#freeBytes += texelBytes(texture);
      this.#wait(this.#freeTexels, texelKey(texture), copy);
    }
    storage.texels.clear();
  }

  /**
   * Takes a texture for a texel copy from the pool or makes one.
   *
   * @param texels how many texels of four values it must hold
   * @param format of a texel
   * @param label what it is for, for messages
   */
  texelCopy(texels: number, format: TexelFormat, label: string): TexelCopy {
    const height = Math.ceil(texels / TEXEL_ROW);
    const width = height > 1
      ? TEXEL_ROW + ROW_PADDING
      : Math.max(16, 2 ** Math.ceil(Math.log2(texels)));
    const most = this.#gpu.limits.maxTextureDimension2D;
    if (height > most) {
      throw new RangeError(
        `Cannot read ${label} as a texture: it has ${height} rows of ${TEXEL_ROW} texels, this adapter allows ${most}`,
      );
    }
    const reused = this.#freeTexels.get(texelKey({ width, height, format }))
      ?.pop()?.item;
    if (reused !== undefined) {
      this.#freeBytes -= texelBytes(reused.texture);
      return reused;
    }
    this.#reserve(width * height * TEXEL_BYTES[format], label);
    const texture = this.#gpu.device.createTexture({
      label,
      size: [width, height],
      format,
      usage: GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.COPY_DST,
    });
    const view = texture.createView({ label });
    return { texture, view, id: this.#nextId++, version: -1 };
  }

  #wait<K, T>(map: Map<K, Waiting<T>[]>, key: K, item: T): void {
    const waiting = { item, since: this.#gpu.recorder.batch };
    const list = map.get(key);
    if (list === undefined) map.set(key, [waiting]);
    else list.push(waiting);
  }

  /**
   * Destroys waiting buffers if they are many, and those that wait for long.
   * Called between batches.
   */
  trim(): void {
    const { batch } = this.#gpu.recorder;
    if (this.#freeBytes > Math.min(KEEP_FREE, this.#budget / 2)) {
      this.#destroyFree();
    } else if (batch % WAITS === 0) this.#destroyFree(batch - WAITS);
  }

  /** Destroys what waits since a batch, or all that waits. */
  #destroyFree(since = Infinity): void {
    let bytes = 0;
    for (const { buffer, bytes: own } of taken(this.#free, since)) {
      buffer.destroy();
      bytes += own;
    }
    for (const { texture } of taken(this.#freeTexels, since)) {
      texture.destroy();
      bytes += texelBytes(texture);
    }
    if (bytes === 0) return;
    this.#bytes -= bytes;
    this.#freeBytes -= bytes;
    this.#gpu.forgetBindGroups();
  }
}

/** Takes out what waits since a batch at least. */
function taken<K, T>(map: Map<K, Waiting<T>[]>, since: number): T[] {
  const all: T[] = [];
  for (const [key, list] of map) {
    const kept = list.filter((waiting) => waiting.since > since);
    for (const waiting of list) {
      if (waiting.since <= since) all.push(waiting.item);
    }
    if (kept.length > 0) map.set(key, kept);
    else map.delete(key);
  }
  return all;
}

function texelKey(
  { width, height, format }: Pick<GPUTexture, "width" | "height" | "format">,
): string {
  return `${width}x${height} ${format}`;
}

function texelBytes(texture: GPUTexture): number {
  return texture.width * texture.height *
    TEXEL_BYTES[texture.format as TexelFormat];
}
