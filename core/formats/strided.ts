/**
 * Copies a strided view to row-major order.
 *
 * @param bytes elements of the view, the first one first
 * @param width bytes of an element: 1, 2 or a multiple of 4
 * @param shape axis lengths
 * @param strides elements from one index of an axis to the next
 * @returns `bytes` itself if the view is row-major, else a copy
 */
export function toRowMajor(
  bytes: Uint8Array<ArrayBuffer>,
  width: number,
  shape: readonly number[],
  strides: readonly number[],
): Uint8Array<ArrayBuffer> {
  const size = shape.includes(0) ? 0 : shape.reduce((n, m) => n * m, 1);
  let expected = 1;
  let isContiguous = true;
  for (let i = shape.length - 1; i >= 0; i--) {
    const length = shape[i] ?? 1;
    if (length !== 1 && strides[i] !== expected) isContiguous = false;
    expected *= length;
  }
  if (isContiguous || size === 0) return bytes.subarray(0, size * width);
  const words = width > 4 ? width / 4 : 1;
  const kind = width === 1
    ? Uint8Array
    : width === 2
    ? Uint16Array
    : Uint32Array;
  const { buffer, byteOffset } = bytes.byteOffset % 4 === 0
    ? bytes
    : bytes.slice();
  const unit = kind.BYTES_PER_ELEMENT;
  const from = new kind(buffer, byteOffset, Math.floor(bytes.length / unit));
  const to = new kind(size * words);
  const lengths = [...shape, words];
  const steps = [...strides.map((stride) => stride * words), 1];
  const inner = lengths.length - 2; // the axis that varies fastest
  const count = lengths[inner] ?? 1;
  const step = steps[inner] ?? 1;
  const index = lengths.map(() => 0);
  let base = 0;
  for (let at = 0; at < to.length;) {
    for (let i = 0, place = base; i < count; i++, place += step) {
      for (let word = 0; word < words; word++) {
        to[at++] = from[place + word] ?? 0;
      }
    }
    for (let axis = inner - 1; axis >= 0; axis--) {
      const stride = steps[axis] ?? 0;
      const next = (index[axis] ?? 0) + 1;
      base += stride;
      if (next < (lengths[axis] ?? 1)) {
        index[axis] = next;
        break;
      }
      base -= next * stride;
      index[axis] = 0;
    }
  }
  return new Uint8Array(to.buffer);
}

/**
 * Reverses the bytes of every element, in place.
 *
 * @param bytes elements
 * @param width bytes of an element
 */
export function swapBytes(bytes: Uint8Array<ArrayBuffer>, width: number): void {
  for (let i = 0; width > 1 && i < bytes.length; i += width) {
    bytes.subarray(i, i + width).reverse();
  }
}
