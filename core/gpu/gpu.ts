import { BufferPool, type Memory } from "./buffer_pool.ts";
import { Guard } from "./guard.ts";
import type { Knobs } from "./knobs.ts";
import { Profiler } from "./profile.ts";
import { Recorder } from "./recorder.ts";
import type { Shader } from "./shader.ts";
import type { TunedTiles } from "./tuning.ts";
import {
  type Range,
  Scope,
  type Storage,
  TEXEL_BYTES,
  type TexelCopy,
  type TexelFormat,
} from "./storage.ts";

/** Where kernels read operands from. */
export type OperandSource = "texels" | "buffer";

/** Options of {@linkcode Gpu.open}. */
export interface GpuOptions {
  /** Names the first kernel and step that produces NaN or infinity; slow. */
  readonly guard?: boolean;
  /** Times every dispatch with timestamp queries. */
  readonly profile?: boolean;
  /** Bytes that buffers and textures may take together. */
  readonly memoryBudget?: number;
  /** Pretends that the adapter has no subgroups. */
  readonly withoutSubgroups?: boolean;
  /** Where kernels read operands from, if not left to the device. */
  readonly operandSource?: OperandSource;
  /** Invocations that share a row in norms and softmax, 1 to 64. */
  readonly rowLanes?: number;
  /** Tiles by the names of choices, before the tuned table's. */
  readonly tiles?: TunedTiles;
}

/** Drivers of adapters, as wgpu knows them. */
export type Backend = "Vulkan" | "GL" | "Metal" | "Direct3D 12";

/**
 * Tells the driver of an adapter, which WebGPU does not. Deno on Linux has two:
 * of them only Vulkan stores to textures of 8-bit blue, green, red and alpha.
 */
function backendOf(adapter: GPUAdapter): Backend | undefined {
  if (!navigator.userAgent.startsWith("Deno")) return undefined;
  const { platform } = navigator;
  if (platform.startsWith("Mac")) return "Metal";
  if (!adapter.features.has("bgra8unorm-storage")) return "GL";
  return platform.startsWith("Win") ? "Direct3D 12" : "Vulkan";
}

/** Limits that kernels and tensors ask the adapter for. */
const WANTED_LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxStorageTexturesPerShaderStage",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupStorageSize",
  "maxTextureDimension2D",
  "minStorageBufferOffsetAlignment",
  "minUniformBufferOffsetAlignment",
] as const;

/** Elements read from which a copy into texels pays for itself. */
const TEXELS_FROM = 2 ** 15;

/**
 * A device with its buffers, pipelines and recorded commands.
 *
 * Operations only record; {@linkcode Gpu.readBytes} submits and waits.
 *
 * @example
 * ```ts ignore
 * using gpu = await Gpu.open();
 * const x = tensor(gpu, [[1, 2], [3, 4]]);
 * console.log(await matmul(x, x).read());
 * ```
 */
export class Gpu {
  /** The WebGPU device. */
  readonly device: GPUDevice;
  /** Who made the adapter, and what it is. */
  readonly info: GPUAdapterInfo;
  /** What drives the adapter, where that can be told: not in browsers. */
  readonly backend: Backend | undefined;
  /** The device's limits. */
  readonly limits: GPUSupportedLimits;
  /** Optional features in use, among them "subgroups" and "shader-f16". */
  readonly features: ReadonlySet<string>;
  /**
   * Lanes of every subgroup, or 0 where the adapter has no subgroups or may
   * choose among several sizes.
   */
  readonly subgroupSize: number;
  /** First line that shaders with subgroup operations need, or nothing. */
  readonly subgroupDirective: string;
  /** Buffers and textures. */
  readonly pool: BufferPool;
  /** Recorded commands. */
  readonly recorder: Recorder;
  /** Per-kernel times, with the option `profile`. */
  readonly profiler: Profiler | undefined;
  /** The search for values that are not finite, with the option `guard`. */
  readonly guard: Guard | undefined;
  /**
   * Where kernels read operands from: texel copies, which Mesa's software
   * driver reads several times faster, or buffers.
   */
  readonly operandSource: OperandSource;
  /** Invocations that share a row, if the choice is not left to the device. */
  readonly rowLanes: number | undefined;
  /** Tiles that replace the tuned table's, if any. */
  readonly tiles: TunedTiles | undefined;

  readonly #scopes: Scope[] = [];
  readonly #pipelines: Map<Shader, Map<string, PipelineOfLayout>> = new Map();
  readonly #modules: Map<Shader, Map<string, GPUShaderModule>> = new Map();
  readonly #bindGroups: Map<string, GPUBindGroup> = new Map();
  #nextPipeline = 0;
  #lost: string | undefined;
  #closed = false;

  private constructor(
    device: GPUDevice,
    { info, backend }: Pick<Gpu, "info" | "backend">,
    features: ReadonlySet<string>,
    subgroups: Subgroups,
    options: GpuOptions,
  ) {
    this.device = device;
    this.info = info;
    this.backend = backend;
    this.limits = device.limits;
    this.features = features;
    this.subgroupSize = subgroups.size;
    this.subgroupDirective = subgroups.directive;
    this.pool = new BufferPool(this, options.memoryBudget ?? Infinity);
    this.recorder = new Recorder(this);
    this.profiler = options.profile ? new Profiler(device) : undefined;
    this.guard = options.guard ? new Guard(this) : undefined;
    this.tiles = options.tiles;
    this.operandSource = options.operandSource ??
      (this.isSoftware ? "texels" : "buffer");
    this.rowLanes = options.rowLanes;
    device.lost.then(({ reason, message }) => {
      if (!this.#closed) this.#lost = `${reason}: ${message}`;
    });
  }

  /**
   * Opens the machine's adapter with its own limits and optional features.
   *
   * @param options guard, profile, memory budget
   * @throws {Error} if no adapter answers, or it cannot time dispatches
   *   though a profile was asked for
   * @throws {RangeError} if the memory budget is not a positive number
   */
  static async open(options: GpuOptions = {}): Promise<Gpu> {
    const { memoryBudget = Infinity } = options;
    if (!(memoryBudget > 0)) {
      throw new RangeError(
        `Cannot open a device: memory budget ${memoryBudget} must be above 0 bytes`,
      );
    }
    const adapter = await navigator.gpu?.requestAdapter({
      powerPreference: "high-performance",
    });
    if (!adapter) {
      throw new Error(
        "Cannot open a device: no WebGPU adapter answers; start through ./run, which installs a Vulkan driver or says which one to install",
      );
    }
    const features = ["shader-f16", "timestamp-query"].filter((name) =>
      adapter.features.has(name as GPUFeatureName)
    );
    if (options.profile && !features.includes("timestamp-query")) {
      throw new Error(
        "Cannot profile: this adapter has no timestamp queries; open it without profile",
      );
    }
    const requiredLimits: Record<string, number> = {};
    for (const name of WANTED_LIMITS) {
      requiredLimits[name] = adapter.limits[name];
    }
    const request = (extra: readonly string[]) =>
      adapter.requestDevice({
        label: "world-action",
        requiredFeatures: [...features, ...extra] as GPUFeatureName[],
        requiredLimits,
      });
    // Deno hides the feature from adapter.features but grants a request.
    let device: GPUDevice | undefined;
    let subgroups: Subgroups = { size: 0, directive: "" };
    if (!options.withoutSubgroups) {
      device = await request(["subgroups"]).catch(() => undefined);
      if (device !== undefined) {
        subgroups = await probeSubgroups(device, adapter.info);
        features.push("subgroups");
      }
    }
    device ??= await request([]);
    return new Gpu(
      device,
      { info: adapter.info, backend: backendOf(adapter) },
      new Set(features),
      subgroups,
      options,
    );
  }

  /** The adapter's name, as its driver gives it. */
  get adapterName(): string {
    const { vendor, architecture, device, description } = this.info;
    return description ||
      [vendor, architecture, device].filter(Boolean).join(" ") || "unknown";
  }

  /** One line that names the adapter and what drives it, for reports. */
  get adapter(): string {
    return this.backend === undefined
      ? this.adapterName
      : `${this.adapterName} by ${this.backend}`;
  }

  /** Whether the adapter is Mesa's software rasterizer. */
  get isSoftware(): boolean {
    return /llvmpipe|swiftshader/i.test(this.adapterName);
  }

  /**
   * Whether lanes should exchange values by shuffles within a subgroup: a
   * software adapter suspends invocations at every barrier. Kernels are written
   * for subgroups of 8 to 32 lanes.
   */
  get prefersShuffles(): boolean {
    return this.isSoftware && this.subgroupSize >= 8 && this.subgroupSize <= 32;
  }

  /**
   * Where a kernel that reads each element once takes operands from.
   *
   * @param size elements that are read
   */
  operandSourceFor(size: number): "texels" | "buffer" {
    return size < TEXELS_FROM ? "buffer" : this.operandSource;
  }

  /** Device memory in use. */
  memory(): Memory {
    return this.pool.memory();
  }

  /** Opens a scope: what is made inside it is freed when it closes. */
  scope(): Scope {
    const scope = new Scope(this);
    this.#scopes.push(scope);
    return scope;
  }

  /** The scope around another one, if there is one. */
  parentOf(scope: Scope): Scope | undefined {
    return this.#scopes[this.#scopes.indexOf(scope) - 1];
  }

  /** The innermost open scope, if there is one. */
  get innermostScope(): Scope | undefined {
    return this.#scopes.at(-1);
  }

  /** Ends a scope; called by its dispose. */
  closeScope(scope: Scope): void {
    if (this.#scopes.at(-1) !== scope) {
      throw new Error(
        "Cannot close a scope that is not the innermost one: close the scopes opened inside it first",
      );
    }
    this.#scopes.pop();
  }

  /**
   * Allocates device memory in the innermost scope. Its content is undefined.
   *
   * @param bytes size, at least 4
   * @param label what it holds, for messages
   * @throws {RangeError} if a limit or the budget forbids it
   */
  allocate(bytes: number, label: string): Storage {
    this.checkUsable();
    const storage = this.pool.allocate(bytes, label);
    this.innermostScope?.adopt(storage);
    return storage;
  }

  /**
   * Allocates device memory outside every scope: it lives until it is freed.
   *
   * @param bytes size, at least 4
   * @param label what it holds, for messages
   */
  allocateLasting(bytes: number, label: string): Storage {
    this.checkUsable();
    return this.pool.allocate(bytes, label);
  }

  /**
   * Writes bytes from the host, after all commands recorded so far.
   *
   * @param target where to
   * @param data at most the target's length
   */
  write(target: Range, data: ArrayBufferView): void {
    this.checkUsable();
    const { block } = target.storage;
    if (block.lastBatch === this.recorder.batch) this.recorder.flush();
    target.storage.version++;
    const bytes = new Uint8Array(
      data.buffer as ArrayBuffer,
      data.byteOffset,
      data.byteLength,
    );
    const whole = bytes.length - bytes.length % 4;
    this.device.queue.writeBuffer(block.buffer, target.offset, bytes, 0, whole);
    if (whole < bytes.length) {
      const tail = new Uint8Array(4);
      tail.set(bytes.subarray(whole));
      this.device.queue.writeBuffer(block.buffer, target.offset + whole, tail);
    }
  }

  /**
   * Submits what was recorded, waits, and copies a range to the host.
   *
   * @throws {Error} if a recorded command was invalid, the device was lost, or
   *   the guard found a value that is not finite
   */
  async readBytes(source: Range): Promise<Uint8Array<ArrayBuffer>> {
    this.checkUsable();
    const size = Math.ceil(source.bytes / 4) * 4;
    const staging = this.device.createBuffer({
      label: "read",
      size,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    this.recorder.copy(source, staging, 0);
    this.recorder.flush();
    try {
      await staging.mapAsync(GPUMapMode.READ);
      await this.recorder.check();
      await this.guard?.check();
      const bytes = new Uint8Array(staging.getMappedRange().slice(0));
      return bytes.subarray(0, source.bytes);
    } catch (error) {
      this.checkUsable();
      throw error;
    } finally {
      staging.destroy();
    }
  }

  /** Submits what was recorded, without waiting. */
  flush(): void {
    this.recorder.flush();
  }

  /**
   * Submits what was recorded and waits until the device has done it.
   *
   * @throws {Error} as {@linkcode Gpu.readBytes}
   */
  async sync(): Promise<void> {
    this.checkUsable();
    this.recorder.flush();
    await this.device.queue.onSubmittedWorkDone();
    await this.recorder.check();
    await this.guard?.check();
    this.checkUsable();
  }

  /**
   * The texels of a range, copied if the range was written since.
   *
   * @param range floats, or halves for the short format; the first byte a
   *   multiple of 16
   * @param format of a texel
   */
  texels(range: Range, format: TexelFormat = "rgba32float"): TexelCopy {
    const { storage } = range;
    const key = `${range.offset}:${range.bytes} ${format}`;
    let copy = storage.texels.get(key);
    if (copy === undefined) {
      const texels = Math.ceil(range.bytes / TEXEL_BYTES[format]);
      copy = this.pool.texelCopy(texels, format, storage.label);
      storage.texels.set(key, copy);
    }
    if (copy.version !== storage.version) {
      copy.version = storage.version;
      this.recorder.copyToTexels(range, copy);
    }
    return copy;
  }

  /** The shader module of one variant; compiled once. */
  module(shader: Shader, knobs: Knobs): GPUShaderModule {
    const modules = getOrMake(this.#modules, shader, () => new Map());
    return getOrMake(
      modules,
      JSON.stringify(knobs),
      () =>
        this.device.createShaderModule({
          label: shader.name,
          code: this.#withDirectives(shader.text(knobs)),
        }),
    );
  }

  #withDirectives(code: string): string {
    const needs = /\bsubgroup[A-Z_]/.test(code);
    return needs ? this.subgroupDirective + code : code;
  }

  /** The compiled entry of one variant; made once. */
  pipeline(
    shader: Shader,
    key: string,
    make: () => Omit<PipelineOfLayout, "id">,
  ): PipelineOfLayout {
    const pipelines = getOrMake(this.#pipelines, shader, () => new Map());
    return getOrMake(
      pipelines,
      key,
      () => {
        const made = this.recorder.validated(make);
        return { ...made, id: this.#nextPipeline++ };
      },
    );
  }

  /** A bind group by the ids of what it binds; made once. */
  bindGroup(key: string, make: () => GPUBindGroup): GPUBindGroup {
    if (this.#bindGroups.size > 16_384) this.#bindGroups.clear();
    return getOrMake(this.#bindGroups, key, make);
  }

  /** Drops cached bind groups, because buffers they name were destroyed. */
  forgetBindGroups(): void {
    this.#bindGroups.clear();
  }

  /**
   * Does nothing while the device works.
   *
   * @throws {Error} if the device was closed or lost
   */
  checkUsable(): void {
    if (this.#closed) {
      throw new Error("Cannot use the device: it was closed");
    }
    if (this.#lost !== undefined) {
      throw new Error(
        `Cannot use the device: it was lost (${this.#lost}); open it again and continue from the last checkpoint`,
      );
    }
  }

  /** Closes the device and frees everything on it. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.device.destroy();
  }
}

/** A pipeline and the layout of its bind group. */
export interface PipelineOfLayout {
  /** The compiled entry. */
  readonly pipeline: GPUComputePipeline;
  /** The layout of group 0. */
  readonly layout: GPUBindGroupLayout;
  /** Distinguishes pipelines in bind group keys. */
  readonly id: number;
}

interface Subgroups {
  readonly size: number;
  readonly directive: string;
}

/** Finds out by compiling and running whether subgroups work and how wide they are. */
async function probeSubgroups(
  device: GPUDevice,
  info: GPUAdapterInfo,
): Promise<Subgroups> {
  const { subgroupMinSize, subgroupMaxSize } = info;
  for (const directive of ["", "enable subgroups;\n"]) {
    device.pushErrorScope("validation");
    const module = device.createShaderModule({
      label: "subgroup probe",
      code:
        `${directive}@group(0) @binding(0) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(1)
fn probe(@builtin(subgroup_size) size: u32, @builtin(subgroup_invocation_id) lane: u32) {
  y[0] = subgroupShuffle(size, lane);
}`,
    });
    device.createComputePipeline({
      label: "subgroup probe",
      layout: "auto",
      compute: { module, entryPoint: "probe" },
    });
    const error = await device.popErrorScope();
    if (error === null) {
      const isFixed = subgroupMinSize === subgroupMaxSize;
      return { size: isFixed ? subgroupMinSize : 0, directive };
    }
  }
  return { size: 0, directive: "" };
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
