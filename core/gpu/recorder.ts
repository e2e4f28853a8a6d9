import { TEXEL_ROW } from "./buffer_pool.ts";
import type { Gpu } from "./gpu.ts";
import type { Grid } from "./grid.ts";
import {
  type Range,
  TEXEL_BYTES,
  type TexelCopy,
  type TexelFormat,
} from "./storage.ts";

/** Bytes of the params ring, which holds the params of a batch. */
const RING_BYTES = 2 ** 18;

/** Dispatches after which a batch is submitted, so that the device has work. */
const BATCH = 512;

/** One dispatch, ready to be recorded. */
export interface Dispatch {
  /** The compiled kernel. */
  readonly pipeline: GPUComputePipeline;
  /** Its bindings. */
  readonly bindGroup: GPUBindGroup;
  /** Values of `struct Params`, or `undefined` where the kernel has none. */
  readonly params: ArrayBuffer | undefined;
  /** Workgroups. */
  readonly grid: Grid;
  /** Shader and entry, for the profile and the guard. */
  readonly label: string;
  /** Floating-point operations, if known, for the profile. */
  readonly flops: number;
  /** Bytes read and written, if known, for the profile. */
  readonly bytes: number;
}

/**
 * Records dispatches into one open compute pass and submits them together.
 *
 * A submit takes about 65 us and a pass 15, a dispatch in an open pass 5.
 * Copies close the pass, since WebGPU allows none inside.
 */
export class Recorder {
  readonly #gpu: Gpu;
  readonly #ring: GPUBuffer;
  readonly #staging = new Uint8Array(RING_BYTES);
  readonly #alignment: number;
  #encoder: GPUCommandEncoder | undefined;
  #pass: GPUComputePassEncoder | undefined;
  #ringUsed = 0;
  #count = 0;
  #errors: Promise<string | undefined>[] = [];

  /** Number of the batch that is being recorded. */
  batch = 1;

  /**
   * Creates a recorder with nothing recorded.
   *
   * @param gpu the device
   */
  constructor(gpu: Gpu) {
    this.#gpu = gpu;
    this.#alignment = Math.max(16, gpu.limits.minUniformBufferOffsetAlignment);
    this.#ring = gpu.device.createBuffer({
      label: "params ring",
      size: RING_BYTES,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
  }

  /** The uniform buffer that holds the params of a batch. */
  get ring(): GPUBuffer {
    return this.#ring;
  }

  /** Records one dispatch. */
  dispatch(work: Dispatch): void {
    const { pipeline, bindGroup, params, grid, label } = work;
    const space = Math.ceil((params?.byteLength ?? 0) / this.#alignment) *
      this.#alignment;
    if (this.#count >= BATCH || this.#ringUsed + space > RING_BYTES) {
      this.flush();
    }
    const profile = this.#gpu.profiler;
    let pass: GPUComputePassEncoder;
    if (profile === undefined) {
      pass = this.#pass ??= this.#open().beginComputePass({ label });
    } else {
      this.#endPass();
      const encoder = this.#open();
      pass = encoder.beginComputePass({
        label,
        timestampWrites: profile.next(work),
      });
      this.#pass = pass;
    }
    pass.setPipeline(pipeline);
    if (params === undefined) {
      pass.setBindGroup(0, bindGroup);
    } else {
      this.#staging.set(new Uint8Array(params), this.#ringUsed);
      pass.setBindGroup(0, bindGroup, [this.#ringUsed]);
      this.#ringUsed += space;
    }
    pass.dispatchWorkgroups(grid[0], grid[1] ?? 1, grid[2] ?? 1);
    this.#count++;
    if (profile?.full) this.flush();
  }

  /** Records a copy of bytes between two storages or to a plain buffer. */
  copy(source: Range, target: GPUBuffer, targetOffset: number): void {
    const { block } = source.storage;
    block.lastBatch = this.batch;
    const bytes = Math.ceil(source.bytes / 4) * 4;
    this.#outsidePass().copyBufferToBuffer(
      block.buffer,
      source.offset,
      target,
      targetOffset,
      bytes,
    );
  }

  /** Records a copy of bytes from one storage to another. */
  copyRange(source: Range, target: Range): void {
    const { block } = target.storage;
    block.lastBatch = this.batch;
    target.storage.version++;
    this.copy(source, block.buffer, target.offset);
  }

  /** Records zeros for a range of a storage. */
  clear(target: Range): void {
    const { block } = target.storage;
    block.lastBatch = this.batch;
    target.storage.version++;
    const bytes = Math.ceil(target.bytes / 4) * 4;
    this.#outsidePass().clearBuffer(block.buffer, target.offset, bytes);
  }

  /** Records the copy of a range into texels, four values each. */
  copyToTexels(source: Range, target: TexelCopy): void {
    const { block } = source.storage;
    block.lastBatch = this.batch;
    const { texture } = target;
    const each = TEXEL_BYTES[texture.format as TexelFormat];
    const texels = Math.ceil(source.bytes / each);
    const rows = Math.floor(texels / TEXEL_ROW);
    const encoder = this.#outsidePass();
    const { buffer } = block;
    if (rows > 0) {
      encoder.copyBufferToTexture(
        { buffer, offset: source.offset, bytesPerRow: TEXEL_ROW * each },
        { texture },
        [TEXEL_ROW, rows],
      );
    }
    const rest = texels - rows * TEXEL_ROW;
    if (rest > 0) {
      encoder.copyBufferToTexture(
        { buffer, offset: source.offset + rows * TEXEL_ROW * each },
        { texture, origin: [0, rows] },
        [rest, 1],
      );
    }
  }

  /** Submits what was recorded. Does nothing if that is nothing. */
  flush(): void {
    const encoder = this.#encoder;
    if (encoder === undefined) return;
    this.#endPass();
    this.#gpu.profiler?.resolve(encoder);
    const { device } = this.#gpu;
    if (this.#ringUsed > 0) {
      device.queue.writeBuffer(
        this.#ring,
        0,
        this.#staging,
        0,
        this.#ringUsed,
      );
    }
    device.queue.submit([encoder.finish()]);
    this.#errors.push(
      device.popErrorScope().then((error) => error?.message),
    );
    this.#gpu.profiler?.submitted();
    this.#encoder = undefined;
    this.#ringUsed = 0;
    this.#count = 0;
    this.batch++;
    this.#gpu.pool.trim();
    if (this.#errors.length > 64) this.#prune();
  }

  /**
   * Runs work that may fail validation; its error is thrown by the next read.
   *
   * @param make creates shader modules and pipelines
   */
  validated<T>(make: () => T): T {
    const { device } = this.#gpu;
    device.pushErrorScope("validation");
    const value = make();
    this.#errors.push(device.popErrorScope().then((error) => error?.message));
    return value;
  }

  /**
   * Waits until every submitted batch was validated.
   *
   * @throws {Error} with the message of the first invalid one
   */
  async check(): Promise<void> {
    const errors = this.#errors;
    this.#errors = [];
    for (const message of await Promise.all(errors)) {
      if (message !== undefined) {
        throw new Error(
          `Cannot run recorded commands: ${message.replace(/\s+/g, " ")}`,
        );
      }
    }
  }

  /** Keeps the first error and drops the promises of batches that were valid. */
  #prune(): void {
    const first = Promise.all(this.#errors).then((messages) =>
      messages.find((message) => message !== undefined)
    );
    this.#errors = [first];
  }

  #open(): GPUCommandEncoder {
    if (this.#encoder === undefined) {
      this.#gpu.device.pushErrorScope("validation");
      this.#encoder = this.#gpu.device.createCommandEncoder();
    }
    return this.#encoder;
  }

  #outsidePass(): GPUCommandEncoder {
    this.#endPass();
    this.#count++;
    return this.#open();
  }

  #endPass(): void {
    this.#pass?.end();
    this.#pass = undefined;
  }
}
