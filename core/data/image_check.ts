/**
 * Tells whole image files from damaged ones without decoding them.
 *
 * @module
 */

import { severalAtOnce } from "../formats/several.ts";
import { isWholeJpeg, jpegMarkers } from "../formats/jpeg.ts";

/** What can be wrong with an image file. */
export type ImageFault =
  | "missing_image"
  | "truncated_image"
  | "unknown_image_format";

const ENDS = 1024; // bytes that are read at first, of each end of a file
const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const PNG_END = [0x49, 0x45, 0x4e, 0x44]; // "IEND"
const JPEG = [0xff, 0xd8, 0xff];
const JPEG_END = [0xff, 0xd9];
const JPEG_SCAN = 0xda;

function startsWith(bytes: Uint8Array, mark: readonly number[]): boolean {
  return mark.every((byte, i) => bytes[i] === byte);
}

function contains(bytes: Uint8Array, mark: readonly number[]): boolean {
  for (let i = bytes.length - mark.length; i >= 0; i--) {
    if (startsWith(bytes.subarray(i), mark)) return true;
  }
  return false;
}

async function readAt(
  file: Deno.FsFile,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  await file.seek(offset, Deno.SeekMode.Start);
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const read = await file.read(bytes.subarray(filled));
    if (read === null) break;
    filled += read;
  }
  return bytes.subarray(0, filled);
}

/** Whether the chunks of a PNG lead to its last one. */
async function hasPngEnd(file: Deno.FsFile, size: number): Promise<boolean> {
  for (let at = PNG.length; at + 12 <= size;) {
    const head = await readAt(file, at, 8);
    if (startsWith(head.subarray(4), PNG_END)) return true;
    at += 12 + new DataView(head.buffer).getUint32(0);
  }
  return false;
}

/**
 * Looks for the end marker of a JPEG or PNG file: in its last bytes, and by
 * its markers where it does not end so or begins with long segments, in which
 * a thumbnail may have a marker of its own. Bytes behind it do no harm.
 *
 * A file that lost its end is found here; one that is damaged in between is
 * found when it is decoded.
 *
 * @param path the file
 * @returns what is wrong, or undefined
 */
export async function imageFault(
  path: string,
): Promise<ImageFault | undefined> {
  let file: Deno.FsFile;
  let info: Deno.FileInfo;
  try {
    // Of the path: Deno asks an open file for access to where a link leads.
    info = await Deno.stat(path);
    if (!info.isFile) return "missing_image";
    file = await Deno.open(path, { read: true });
  } catch (error) {
    // A refusal of the sandbox is not the file's fault.
    if (error instanceof Deno.errors.NotCapable) throw error;
    return "missing_image";
  }
  using _ = file;
  const { size } = info;
  if (size === 0) return "truncated_image";
  const head = await readAt(file, 0, Math.min(size, ENDS));
  const tail = size > 2 * ENDS
    ? await readAt(file, size - ENDS, ENDS)
    : new Uint8Array();
  if (startsWith(head, JPEG)) {
    const isScanNear = jpegMarkers(head).some(({ marker }) =>
      marker === JPEG_SCAN
    );
    const isWhole = isScanNear && contains(tail, JPEG_END) ||
      isWholeJpeg(await readAt(file, 0, size));
    return isWhole ? undefined : "truncated_image";
  }
  if (startsWith(head, PNG)) {
    const isWhole = contains(tail, PNG_END) || await hasPngEnd(file, size);
    return isWhole ? undefined : "truncated_image";
  }
  return "unknown_image_format";
}

/**
 * Looks at many image files, a few at a time.
 *
 * @param paths the files
 * @param progress called now and then with the number of files done
 * @returns for each path what is wrong, or undefined
 */
export async function imageFaults(
  paths: readonly string[],
  progress?: (done: number, total: number) => void,
): Promise<(ImageFault | undefined)[]> {
  let done = 0;
  return await severalAtOnce(paths, async (path) => {
    const fault = await imageFault(path);
    done++;
    if (done % 256 === 0 || done === paths.length) {
      progress?.(done, paths.length);
    }
    return fault;
  });
}
