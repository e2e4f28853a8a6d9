/** Element types of tensors. `f16` is storage of frozen weights only. */
export type DType = "f32" | "f16" | "u32" | "i32";

/** Host arrays that match the element types. */
export type HostData =
  | Float32Array<ArrayBuffer>
  | Float16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>;

/** Bytes of one element. */
export const BYTES: Readonly<Record<DType, number>> = {
  f32: 4,
  f16: 2,
  u32: 4,
  i32: 4,
};

/**
 * Views bytes as elements.
 *
 * @param dtype element type
 * @param bytes their memory, aligned to the element size
 */
export function viewAs(
  dtype: DType,
  bytes: Uint8Array<ArrayBuffer>,
): HostData {
  const { buffer, byteOffset, byteLength } = bytes;
  const length = byteLength / BYTES[dtype];
  switch (dtype) {
    case "f32":
      return new Float32Array(buffer, byteOffset, length);
    case "f16":
      return new Float16Array(buffer, byteOffset, length);
    case "u32":
      return new Uint32Array(buffer, byteOffset, length);
    case "i32":
      return new Int32Array(buffer, byteOffset, length);
  }
}

/**
 * Converts numbers to elements.
 *
 * @param dtype element type
 * @param values numbers
 */
export function fromNumbers(
  dtype: DType,
  values: ArrayLike<number>,
): HostData {
  switch (dtype) {
    case "f32":
      return new Float32Array(values);
    case "f16":
      return new Float16Array(values);
    case "u32":
      return new Uint32Array(values);
    case "i32":
      return new Int32Array(values);
  }
}
