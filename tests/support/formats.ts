import {
  type HostTensor,
  type TensorFile,
  toFloat32,
} from "../../core/formats/safetensors.ts";

/** What one tensor or array of a fixture holds. */
export interface Expected {
  /** PyTorch's or numpy's name of the element type. */
  readonly dtype: string;
  /** Axis lengths. */
  readonly shape: readonly number[];
  /** Elements; those that JSON lacks are texts. */
  readonly values: readonly (number | string | boolean)[];
}

/** What the fixtures of file formats hold. */
export interface ExpectedFormats {
  /** Tensors of the checkpoints. */
  readonly state: Readonly<Record<string, Expected>>;
  /** Parameters of the scripted module. */
  readonly script: Readonly<Record<string, Expected>>;
  /** Parameters of the traced module. */
  readonly traced: Readonly<Record<string, Expected>>;
  /** Arrays of the npz files. */
  readonly arrays: Readonly<Record<string, Expected>>;
}

/** A fixture of file formats. */
export function formatUrl(name: string): URL {
  return new URL(`../../fixtures/torch/formats/${name}`, import.meta.url);
}

/** What the fixtures hold. */
export function readExpected(): ExpectedFormats {
  return JSON.parse(Deno.readTextFileSync(formatUrl("expected.json")));
}

/** PyTorch's names of element types. */
export const TORCH_TYPES: Readonly<Record<string, string>> = {
  float64: "F64",
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  int64: "I64",
  int32: "I32",
  int16: "I16",
  int8: "I8",
  uint8: "U8",
  bool: "BOOL",
};

/** Elements in full precision. */
export function exact(tensor: HostTensor): number[] {
  const { dtype, bytes } = tensor;
  return dtype === "F64"
    ? [...new Float64Array(bytes.slice().buffer)]
    : [...toFloat32(tensor)];
}

/** All tensors of a file in the form of the fixtures. */
export async function contents(
  file: TensorFile,
): Promise<
  Record<string, { dtype: string; shape: number[]; values: number[] }>
> {
  const result: Awaited<ReturnType<typeof contents>> = {};
  for (const name of file.names) {
    const tensor = await file.read(name);
    const { dtype, shape } = tensor;
    result[name] = { dtype, shape: [...shape], values: exact(tensor) };
  }
  return result;
}

/** The same form of what is expected. */
export function wanted(
  entries: Readonly<Record<string, Expected>>,
): Record<string, { dtype: string; shape: number[]; values: number[] }> {
  return Object.fromEntries(
    Object.entries(entries).map(([name, { dtype, shape, values }]) => [name, {
      dtype: TORCH_TYPES[dtype] ?? dtype,
      shape: [...shape],
      values: values.map(Number),
    }]),
  );
}
