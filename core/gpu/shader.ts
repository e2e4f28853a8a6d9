import type { Gpu } from "./gpu.ts";
import { checkGrid, type Grid } from "./grid.ts";
import { type Knobs, setKnobs } from "./knobs.ts";
import type { Range, TexelFormat } from "./storage.ts";

/** What one dispatch binds, by the names the kernel declares. */
export type Bindings = Readonly<Record<string, Range>>;

/** Values of `struct Params` by field name. */
export type Params = Readonly<Record<string, number>>;

/** Optional facts of a dispatch. */
export interface RunOptions {
  /** Knob values of the variant to run. */
  readonly knobs?: Knobs;
  /** Floating-point operations, for the profile. */
  readonly flops?: number;
  /** Bytes read and written, for the profile. */
  readonly bytes?: number;
}

/** How a kernel uses a binding; `texels` is a read through a texture. */
export type Access = "read" | "write" | "texels" | "uniform";

/** One binding as the WGSL declares it. */
export interface Declared {
  /** Its name. */
  readonly name: string;
  /** Its number in group 0. */
  readonly binding: number;
  /** How it is used. */
  readonly access: Access;
  /** Format of its texels, where it has any. */
  readonly format: TexelFormat;
  /** Whether the elements are floats, for the guard. */
  readonly floats: boolean;
}

/** One field of `struct Params`. */
export interface Field {
  /** Its name. */
  readonly name: string;
  /** `u32`, `i32` or `f32`. */
  readonly type: string;
  /** First byte. */
  readonly offset: number;
}

/** The interface of a kernel, read from its WGSL. */
export interface Reflection {
  /** Bindings of group 0. */
  readonly bindings: ReadonlyMap<string, Declared>;
  /** Fields of `struct Params`, 4 bytes each. */
  readonly params: readonly Field[];
  /** Entry points. */
  readonly entries: readonly string[];
}

const BINDING =
  /^@group\(0\) @binding\((\d+)\) var(?:<(uniform|storage), *(read|read_write)>|<uniform>)? (\w+): ([^;]+);/gm;
const PARAMS = /struct Params \{([^}]*)\}/;
const FIELD = /(\w+): (u32|i32|f32),/g;
const ENTRY = /@compute\s+@workgroup_size\([^)]*\)\s*\n?fn (\w+)/g;

/**
 * Reads the interface of a kernel from its WGSL, by three strict patterns.
 *
 * @param shader name for messages
 * @param source WGSL text
 * @throws {SyntaxError} if there is no entry point, or a params field that is
 *   not `u32`, `i32` or `f32`
 */
export function reflect(shader: string, source: string): Reflection {
  const bindings = new Map<string, Declared>();
  for (const match of source.matchAll(BINDING)) {
    const [, binding = "", space, mode, name = "", type = ""] = match;
    let access: Access = "uniform";
    if (space === "storage") access = mode === "read" ? "read" : "write";
    else if (type.startsWith("texture_storage_2d")) access = "texels";
    const floats = /f32|vec\df|Elem/.test(type);
    const format = type.includes("rgba16float") ? "rgba16float" : "rgba32float";
    bindings.set(name, {
      name,
      binding: Number(binding),
      access,
      format,
      floats,
    });
  }
  const params: Field[] = [];
  const struct = PARAMS.exec(source)?.[1];
  if (struct !== undefined) {
    for (const [, name = "", type = ""] of struct.matchAll(FIELD)) {
      params.push({ name, type, offset: params.length * 4 });
    }
    const lines = struct.split("\n").filter((line) => /^\s*\w+:/.test(line));
    if (lines.length !== params.length) {
      throw new SyntaxError(
        `Cannot read struct Params of shader "${shader}": its fields need type u32, i32 or f32, one a line`,
      );
    }
  }
  const entries = [...source.matchAll(ENTRY)].map((match) => match[1] ?? "");
  if (entries.length === 0) {
    throw new SyntaxError(
      `Cannot read shader "${shader}": it has no compute entry point`,
    );
  }
  return { bindings, params, entries };
}

/** A compiled entry of one variant on one device. */
interface Variant {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly id: number;
}

/**
 * A kernel file as plain data: its WGSL and its interface.
 *
 * Pipelines belong to a device and are cached on its {@linkcode Gpu}.
 */
export class Shader {
  /** Bindings, params and entries as the WGSL declares them. */
  readonly reflection: Reflection;

  /**
   * Reads the interface of a kernel.
   *
   * @param name the kernel's name, for messages and profiles
   * @param source WGSL text
   */
  constructor(readonly name: string, readonly source: string) {
    this.reflection = reflect(name, source);
  }

  /**
   * Records one dispatch.
   *
   * A binding declared as a storage texture takes a range of floats like any
   * other; the range is copied into texels first, once per version.
   *
   * @param entry name of the entry point
   * @param bindings what to bind, by declared name
   * @param params values of `struct Params`, all of them
   * @param grid workgroups along x, y and z
   * @param options knobs, and costs for the profile
   * @throws {TypeError} if a name is not declared, a param is missing, or the
   *   bindings are of different devices
   * @throws {RangeError} if the grid has more than 65,535 workgroups on an axis
   */
  run(
    entry: string,
    bindings: Bindings,
    params: Params,
    grid: Grid,
    options: RunOptions = {},
  ): void {
    const names = Object.keys(bindings);
    const first = bindings[names[0] ?? ""];
    if (first === undefined) {
      throw new TypeError(
        `Cannot run ${this.name}.${entry}: it has no bindings`,
      );
    }
    const { gpu } = first.storage;
    gpu.checkUsable();
    if (grid[0] === 0 || grid[1] === 0 || grid[2] === 0) return;
    checkGrid(`${this.name}.${entry}`, grid);
    const variant = this.#variant(gpu, entry, names, options.knobs ?? {});
    const { recorder } = gpu;

    let key = `${variant.id}`;
    for (const name of names) {
      const range = bindings[name]!;
      const declared = this.reflection.bindings.get(name)!;
      if (range.storage.gpu !== gpu) {
        throw new TypeError(
          `Cannot run ${this.name}.${entry}: "${name}" is on another device than "${
            names[0]
          }"`,
        );
      }
      if (declared.access === "texels") {
        key += `|t${gpu.texels(range, declared.format).id}`;
      } else {
        const { block } = range.storage;
        block.lastBatch = recorder.batch;
        key += `|${block.id}:${range.offset}:${range.bytes}`;
        if (declared.access === "write") range.storage.version++;
      }
    }
    const bindGroup = gpu.bindGroup(key, () => {
      const entries: GPUBindGroupEntry[] = names.map((name) => {
        const range = bindings[name]!;
        const { binding, access, format } = this.reflection.bindings.get(name)!;
        if (access === "texels") {
          return { binding, resource: gpu.texels(range, format).view };
        }
        const { buffer } = range.storage.block;
        const size = Math.ceil(range.bytes / 16) * 16;
        return { binding, resource: { buffer, offset: range.offset, size } };
      });
      if (this.reflection.params.length > 0) {
        const { binding } = this.#uniform();
        const size = this.reflection.params.length * 4;
        entries.push({
          binding,
          resource: { buffer: recorder.ring, size: Math.ceil(size / 16) * 16 },
        });
      }
      return gpu.device.createBindGroup({
        label: `${this.name}.${entry}`,
        layout: variant.layout,
        entries,
      });
    });
    recorder.dispatch({
      pipeline: variant.pipeline,
      bindGroup,
      params: this.#pack(entry, params),
      grid,
      label: `${this.name}.${entry}`,
      flops: options.flops ?? 0,
      bytes: options.bytes ??
        names.reduce((sum, name) => sum + bindings[name]!.bytes, 0),
    });
    gpu.guard?.watch(
      `${this.name}.${entry}`,
      names.flatMap((name) => {
        const { access, floats } = this.reflection.bindings.get(name)!;
        return access === "write" && floats ? [bindings[name]!] : [];
      }),
    );
  }

  #uniform(): Declared {
    for (const declared of this.reflection.bindings.values()) {
      if (declared.access === "uniform") return declared;
    }
    throw new SyntaxError(
      `Cannot read shader "${this.name}": struct Params has no uniform binding`,
    );
  }

  #pack(entry: string, params: Params): ArrayBuffer | undefined {
    const fields = this.reflection.params;
    const given = Object.keys(params);
    const unknown = given.find((name) =>
      !fields.some((field) => field.name === name)
    );
    const missing = fields.find((field) => params[field.name] === undefined);
    if (unknown !== undefined || missing !== undefined) {
      throw new TypeError(
        `Cannot run ${this.name}.${entry}: ${
          unknown !== undefined
            ? `it has no param "${unknown}"`
            : `param "${missing?.name}" is missing`
        }; it has ${fields.map((field) => field.name).join(", ") || "none"}`,
      );
    }
    if (fields.length === 0) return undefined;
    const view = new DataView(new ArrayBuffer(fields.length * 4));
    for (const { name, type, offset } of fields) {
      const value = params[name]!;
      if (type === "f32") view.setFloat32(offset, value, true);
      else if (type === "i32") view.setInt32(offset, value, true);
      else view.setUint32(offset, value, true);
    }
    return view.buffer;
  }

  #variant(
    gpu: Gpu,
    entry: string,
    names: readonly string[],
    knobs: Knobs,
  ): Variant {
    const { bindings, entries } = this.reflection;
    const key = `${entry}(${names.join()})${JSON.stringify(knobs)}`;
    return gpu.pipeline(this, key, () => {
      if (!entries.includes(entry)) {
        throw new TypeError(
          `Cannot run ${this.name}.${entry}: its entries are ${
            entries.join(", ")
          }`,
        );
      }
      const unknown = names.find((name) => !bindings.has(name));
      if (unknown !== undefined) {
        throw new TypeError(
          `Cannot run ${this.name}.${entry}: it has no binding "${unknown}"; it has ${
            [...bindings.keys()].join(", ")
          }`,
        );
      }
      const label = `${this.name}.${entry}`;
      const module = gpu.module(this, knobs);
      const layout = gpu.device.createBindGroupLayout({
        label,
        entries: this.#layoutEntries(names),
      });
      const pipeline = gpu.device.createComputePipeline({
        label,
        layout: gpu.device.createPipelineLayout({
          label,
          bindGroupLayouts: [layout],
        }),
        compute: { module, entryPoint: entry },
      });
      return { pipeline, layout };
    });
  }

  #layoutEntries(names: readonly string[]): GPUBindGroupLayoutEntry[] {
    const visibility = GPUShaderStage.COMPUTE;
    const entries: GPUBindGroupLayoutEntry[] = [];
    for (const declared of this.reflection.bindings.values()) {
      const { name, binding, access, format } = declared;
      if (access === "uniform") {
        const buffer = { type: "uniform", hasDynamicOffset: true } as const;
        entries.push({ binding, visibility, buffer });
      } else if (!names.includes(name)) {
        continue;
      } else if (access === "texels") {
        const storageTexture = { access: "read-only", format } as const;
        entries.push({ binding, visibility, storageTexture });
      } else {
        const type = access === "read" ? "read-only-storage" : "storage";
        entries.push({ binding, visibility, buffer: { type } });
      }
    }
    return entries;
  }

  /**
   * The WGSL of one variant.
   *
   * @param knobs values that differ from the defaults
   */
  text(knobs: Knobs = {}): string {
    return setKnobs(this.name, this.source, knobs);
  }
}

const shaders = new Map<string, Shader>();

/**
 * Joins WGSL files to a shader. Order does not matter in WGSL.
 *
 * @param name the kernel's name
 * @param sources WGSL texts: shared files and the kernel's own
 */
export function defineShader(
  name: string,
  sources: readonly string[],
): Shader {
  const shader = new Shader(name, sources.join("\n"));
  shaders.set(name, shader);
  return shader;
}

/**
 * Defines each member of a family of kernels when it is first asked for.
 *
 * @param define the shader of a variant; what follows the variant, such as a
 *   name for profiles, makes no other member of it
 * @returns the shader of a variant, one for equal variants
 */
export function shaderFamily<Variant, Rest extends readonly unknown[]>(
  define: (variant: Variant, ...rest: Rest) => Shader,
): (variant: Variant, ...rest: Rest) => Shader {
  const members = new Map<string, Shader>();
  return (variant, ...rest) => {
    const key = JSON.stringify(variant);
    let shader = members.get(key);
    if (shader === undefined) {
      shader = define(variant, ...rest);
      members.set(key, shader);
    }
    return shader;
  };
}

/** All shaders of the modules that are loaded, by name. */
export function definedShaders(): ReadonlyMap<string, Shader> {
  return shaders;
}
