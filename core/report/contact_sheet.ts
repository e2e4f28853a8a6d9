import type { Image } from "../formats/image.ts";
import { encodePng } from "../formats/png.ts";
import { dataUri, escapeHtml } from "./html.ts";

/** A row of frames. */
export interface ContactRow {
  /** What the row shows. */
  readonly label: string;
  /** Frames, one per column, all of one size; null leaves a gap. */
  readonly images: readonly (Image | null)[];
}

/** What stands beside and above the picture, which has no text in it. */
export interface ContactLabels {
  /** Names of the rows, from the top. */
  readonly rows: readonly string[];
  /** Names of the columns, from the left. */
  readonly columns: readonly string[];
  /** Places without a frame: row and column, from 0. */
  readonly gaps?: readonly (readonly [row: number, column: number])[];
}

/** Rows of frames as one picture and as a page fragment. */
export interface ContactSheet {
  /** All frames in one picture, without labels. */
  readonly image: Image;
  /** Labels of the picture, for a report. */
  readonly labels: ContactLabels;
  /** A grid with labels, frames as data addresses. */
  readonly html: string;
}

const GAP = 2; // pixels between frames, white

/**
 * Lays frames out in labelled rows and columns.
 *
 * Labels are text of the page and not of the picture, so that they can be read
 * aloud and searched. Frames are enlarged without smoothing.
 *
 * @param rows frames, at least one
 * @param columns heads of the columns, as many as each row has frames
 * @param scale whole pixels per pixel of a frame
 * @returns the picture, and the fragment
 * @throws {RangeError} if frames differ in size, a row has another number of
 *   frames than there are columns, there is no frame, or `scale` is not a
 *   positive integer
 */
export function contactSheet(
  rows: readonly ContactRow[],
  columns: readonly string[],
  scale = 1,
): ContactSheet {
  if (!Number.isInteger(scale) || scale < 1) {
    throw new RangeError(
      `Cannot lay out frames at scale ${scale}: it needs a positive integer`,
    );
  }
  const first = rows.flatMap((row) => row.images).find((image) =>
    image !== null
  );
  if (!first) {
    throw new RangeError(
      "Cannot lay out frames: there are none, it needs at least one",
    );
  }
  const { width, height } = first;
  for (const { label, images } of rows) {
    if (images.length !== columns.length) {
      throw new RangeError(
        `Cannot lay out row "${label}": it has ${images.length} frames, ` +
          `the columns need ${columns.length}`,
      );
    }
    for (const image of images) {
      if (image === null) continue;
      if (
        image.width !== width || image.height !== height ||
        image.data.length !== width * height * 3
      ) {
        throw new RangeError(
          `Cannot lay out row "${label}": a frame is (${image.height}, ` +
            `${image.width}) with ${image.data.length} bytes, the first ` +
            `one needs (${height}, ${width}) with ${width * height * 3}`,
        );
      }
    }
  }
  return {
    image: joinFrames(rows, columns.length, scale, width, height),
    labels: {
      rows: rows.map(({ label }) => label),
      columns,
      gaps: rows.flatMap(({ images }, row) =>
        images.flatMap((image, column) =>
          image === null ? [[row, column] as const] : []
        )
      ),
    },
    html: grid(rows, columns, width * scale, height * scale),
  };
}

function joinFrames(
  rows: readonly ContactRow[],
  columns: number,
  scale: number,
  width: number,
  height: number,
): Image {
  const stepX = width * scale + GAP;
  const stepY = height * scale + GAP;
  const sheetWidth = columns * stepX - GAP;
  const sheetHeight = rows.length * stepY - GAP;
  const data = new Uint8Array(sheetWidth * sheetHeight * 3).fill(255);
  rows.forEach(({ images }, row) =>
    images.forEach((image, column) => {
      if (image === null) return;
      for (let y = 0; y < height * scale; y++) {
        const from = Math.floor(y / scale) * width;
        let to = ((row * stepY + y) * sheetWidth + column * stepX) * 3;
        for (let x = 0; x < width * scale; x++) {
          const pixel = (from + Math.floor(x / scale)) * 3;
          data[to++] = image.data[pixel]!;
          data[to++] = image.data[pixel + 1]!;
          data[to++] = image.data[pixel + 2]!;
        }
      }
    })
  );
  return { width: sheetWidth, height: sheetHeight, data };
}

function grid(
  rows: readonly ContactRow[],
  columns: readonly string[],
  width: number,
  height: number,
): string {
  const head = columns.map((label) =>
    `<th scope="col">${escapeHtml(label)}</th>`
  );
  const lines = rows.map(({ label, images }) => {
    const cells = images.map((image, column) => {
      if (image === null) return "<td></td>";
      const name = escapeHtml(`${label}, ${columns[column] ?? ""}`);
      const source = dataUri(encodePng(image), "image/png");
      return `<td><img alt="${name}" width="${width}" height="${height}" ` +
        `style="image-rendering:pixelated" src="${source}"></td>`;
    });
    return `<tr><th scope="row">${escapeHtml(label)}</th>` +
      `${cells.join("")}</tr>`;
  });
  return `<div class="scroll" tabindex="0"><table class="sheet"><thead>` +
    `<tr><td></td>${head.join("")}</tr></thead><tbody>\n` +
    `${lines.join("\n")}\n</tbody></table></div>`;
}
