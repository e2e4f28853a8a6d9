/** How flat arrays of images are laid out, channels last. */
export interface ImageLayout {
  /** Rows of pixels. */
  readonly height: number;
  /** Pixels of a row. */
  readonly width: number;
  /** Values of a pixel. */
  readonly channels: number;
}

/**
 * Checks that an array holds whole images.
 *
 * @returns the number of images
 * @throws {RangeError} if it does not
 */
export function countImages(
  images: ArrayLike<number>,
  { height, width, channels }: ImageLayout,
): number {
  const n = images.length / (height * width * channels);
  if (!Number.isInteger(n) || n < 1) {
    throw new RangeError(
      `Cannot read ${images.length} values as images: they must be whole images of ${height}x${width} with ${channels} channels`,
    );
  }
  return n;
}

/**
 * Sharpness of images: the unbiased variance of the 3x3 Laplacian of grey, the
 * mean of the channels, with zeros around the image.
 *
 * Source: published code.
 *
 * @param images (n, height, width, channels)
 * @param layout sizes
 * @returns (n)
 */
export function sharpness(
  images: ArrayLike<number>,
  layout: ImageLayout,
): Float64Array {
  const n = countImages(images, layout);
  const { height, width, channels } = layout;
  const area = height * width;
  const grey = new Float64Array(area);
  return Float64Array.from({ length: n }, (_, image) => {
    for (let i = 0; i < area; i++) {
      let sum = 0;
      const at = (image * area + i) * channels;
      for (let c = 0; c < channels; c++) sum += images[at + c] ?? 0;
      grey[i] = sum / channels;
    }
    const at = (y: number, x: number) =>
      y < 0 || x < 0 || y >= height || x >= width
        ? 0
        : grey[y * width + x] ?? 0;
    let [sum, squares] = [0, 0];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const value = at(y - 1, x) + at(y + 1, x) + at(y, x - 1) +
          at(y, x + 1) - 4 * at(y, x);
        sum += value;
        squares += value * value;
      }
    }
    return (squares - sum * sum / area) / (area - 1);
  });
}
