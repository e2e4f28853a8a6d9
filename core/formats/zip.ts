import { crc32 } from "node:zlib";
import { Inflate, inflateSync } from "fflate";
import type { ByteSource, Fail } from "./byte_source.ts";

/**
 * A file inside a zip archive. One that cannot be read does not keep others
 * from being read.
 */
export interface ZipEntry {
  /** Its path in the archive. */
  readonly name: string;
  /** Its path as the archive writes it. */
  readonly label: Uint8Array<ArrayBuffer>;
  /** Why it cannot be read, if so. */
  readonly fault?: string;
  /** Bytes after unpacking. */
  readonly size: number;
  /** Bytes in the archive. */
  readonly packed: number;
  /** Whether the bytes are stored as they are. */
  readonly isStored: boolean;
  /** Checksum of the unpacked bytes, 0 if the writer made none. */
  readonly crc: number;
  /** Place of the local header. */
  readonly offset: number;
  /** Where the next entry, or the directory, begins. */
  readonly limit: number;
}

/** Largest directory that is accepted, in bytes. */
const MAX_DIRECTORY = 64 * 2 ** 20;

/** Deflate cannot pack more tightly than this. */
const MAX_RATIO = 1032;

/** Packed entries beyond this size may not unpack to over 32 times theirs. */
const MAX_UNPACKED = 256 * 2 ** 20;

/** Characters 128 to 255 of code page 437, in which names are by default. */
const CP437 =
  "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐" +
  "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

/** Name of an entry, and whether its bytes are what its flags say. */
function decodeName(label: Uint8Array, isUtf8: boolean): [string, boolean] {
  if (!isUtf8) {
    const letters = Array.from(
      label,
      (byte) => byte < 128 ? String.fromCharCode(byte) : CP437[byte - 128],
    );
    return [letters.join(""), true];
  }
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    return [decoder.decode(label), true];
  } catch {
    return [new TextDecoder().decode(label), false];
  }
}

/** Whether a name in an archive is a path below it, without tricks. */
export function isPlainPath(name: string): boolean {
  return name !== "" && !name.startsWith("/") && !/[\0\\]/.test(name) &&
    !/^[A-Za-z]:/.test(name) && !name.split("/").includes("..");
}

/**
 * Reads the directory of a zip archive, zip64 included.
 *
 * Source: PKWARE APPNOTE 6.3.
 *
 * @param source the archive
 * @param fail throws the caller's error
 * @returns the entries by name, in the order of the directory; an entry that is
 *   damaged or of a kind that is not read has its fault
 */
export async function readZipDirectory(
  source: ByteSource,
  fail: Fail,
): Promise<Map<string, ZipEntry>> {
  const tailLength = Math.min(source.size, 22 + 65535 + 20);
  const tailStart = source.size - tailLength;
  const tail = await source.read(tailStart, tailLength);
  const view = new DataView(tail.buffer);
  let at = tailLength - 22;
  while (
    at >= 0 && !(view.getUint32(at, true) === 0x06054b50 &&
      at + 22 + view.getUint16(at + 20, true) === tailLength)
  ) at--;
  if (at < 0) return fail("it has no zip directory, so it is truncated");
  let count = view.getUint16(at + 10, true);
  let length = view.getUint32(at + 12, true);
  let start = view.getUint32(at + 16, true);
  let limit = tailStart + at;
  const disk = view.getUint16(at + 4, true);
  if (at >= 20 && view.getUint32(at - 20, true) === 0x07064b50) {
    const place = Number(view.getBigUint64(at - 12, true));
    if (place + 56 > limit) fail("its zip64 record lies outside");
    const record = new DataView((await source.read(place, 56)).buffer);
    if (record.getUint32(0, true) !== 0x06064b50) {
      fail("its zip64 record is damaged");
    }
    count = Number(record.getBigUint64(32, true));
    length = Number(record.getBigUint64(40, true));
    start = Number(record.getBigUint64(48, true));
    limit = place;
  } else if (disk !== 0) fail("it is spread over several disks");
  if (start + length > limit) fail("its zip directory lies outside");
  if (length > MAX_DIRECTORY || count > length / 46) {
    fail(`its zip directory claims ${count} entries in ${length} bytes`);
  }
  const entries = parseDirectory(await source.read(start, length), count, fail);
  const places = [...entries.values()].sort((a, b) => a.offset - b.offset);
  places.forEach((entry, i) => {
    const limit = places[i + 1]?.offset ?? start;
    const { name, offset, packed } = entry;
    const fault = entry.fault ??
      (offset + 30 + packed > limit
        ? `entry ${shown(name)} overlaps what follows it`
        : undefined);
    entries.set(name, { ...entry, limit, ...(fault && { fault }) });
  });
  return entries;
}

const shown = (name: string) => JSON.stringify(name.slice(0, 100));

function parseDirectory(
  bytes: Uint8Array<ArrayBuffer>,
  count: number,
  fail: Fail,
): Map<string, ZipEntry> {
  const view = new DataView(bytes.buffer);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== 0x02014b50) {
      fail(`its zip directory is damaged at entry ${i}`);
    }
    const flags = view.getUint16(at + 8, true);
    const method = view.getUint16(at + 10, true);
    const nameEnd = at + 46 + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    const end = extraEnd + view.getUint16(at + 32, true);
    if (end > bytes.length) fail(`its zip directory is damaged at entry ${i}`);
    const label = bytes.slice(at + 46, nameEnd);
    const [name, isText] = decodeName(label, (flags & 0x800) !== 0);
    const faults: string[] = [];
    const wide = [
      view.getUint32(at + 24, true),
      view.getUint32(at + 20, true),
      view.getUint32(at + 42, true),
    ];
    for (let x = nameEnd; x + 4 <= extraEnd;) {
      const fieldEnd = x + 4 + view.getUint16(x + 2, true);
      if (fieldEnd > extraEnd) faults.push("has a damaged field");
      if (view.getUint16(x, true) === 1) {
        let from = x + 4;
        wide.forEach((value, k) => {
          if (value !== 0xffffffff) return;
          if (from + 8 > Math.min(fieldEnd, extraEnd)) {
            faults.push("has a damaged field");
          } else wide[k] = Number(view.getBigUint64(from, true));
          from += 8;
        });
      }
      x = fieldEnd;
    }
    const [size = 0, packed = 0, offset = 0] = wide;
    if (!isText) faults.push("has a name that is no UTF-8");
    if (!isPlainPath(name)) faults.push("is no plain path");
    if (entries.has(name)) faults.push("appears twice");
    if ((flags & 1) !== 0) faults.push("is encrypted");
    if (method !== 0 && method !== 8) {
      faults.push(`is packed by method ${method}, needed 0 or 8`);
    }
    const isStored = method === 0;
    if (isStored ? size !== packed : size > packed * MAX_RATIO) {
      faults.push(`claims ${size} bytes out of ${packed}`);
    }
    const [reason] = faults;
    entries.set(name, {
      name,
      label,
      ...(reason && { fault: `entry ${shown(name)} ${reason}` }),
      size,
      packed,
      isStored,
      crc: view.getUint32(at + 16, true),
      offset,
      limit: offset,
    });
    at = end;
  }
  return entries;
}

/** Where the bytes of an entry begin. */
async function dataStart(
  source: ByteSource,
  { name, label, fault, offset, packed, limit }: ZipEntry,
  fail: Fail,
): Promise<number> {
  if (fault !== undefined) fail(fault);
  const length = Math.min(30 + label.length, limit - offset);
  const bytes = await source.read(offset, length);
  const header = new DataView(bytes.buffer);
  if (header.getUint32(0, true) !== 0x04034b50) {
    fail(`entry ${shown(name)} has no header at ${offset}`);
  }
  const nameLength = header.getUint16(26, true);
  if (
    nameLength !== label.length ||
    label.some((byte, i) => bytes[30 + i] !== byte)
  ) {
    fail(`entry ${shown(name)} has another name in its header`);
  }
  const start = offset + 30 + nameLength + header.getUint16(28, true);
  if (start + packed > limit) {
    fail(`entry ${shown(name)} overlaps what follows it`);
  }
  return start;
}

/**
 * Reads a file of a zip archive. A part of a stored file is read alone; the
 * checksum is compared when all of it is read.
 *
 * @param source the archive
 * @param entry the file
 * @param fail throws the caller's error
 * @param start first byte wanted
 * @param length bytes wanted
 * @returns the bytes, in memory of their own
 */
export async function readZipEntry(
  source: ByteSource,
  entry: ZipEntry,
  fail: Fail,
  start = 0,
  length: number = entry.size - start,
): Promise<Uint8Array<ArrayBuffer>> {
  const { name, packed, size, isStored, crc, fault } = entry;
  if (fault !== undefined) fail(fault);
  if (start + length > size) {
    fail(`entry ${shown(name)} has only ${size} bytes`);
  }
  if (!isStored && size > Math.max(MAX_UNPACKED, 32 * packed)) {
    fail(
      `entry ${
        shown(name)
      } unpacks ${packed} bytes to ${size}; store it unpacked`,
    );
  }
  const data = await dataStart(source, entry, fail);
  if (isStored && length < size) return await source.read(data + start, length);
  let bytes = await source.read(data, packed);
  if (!isStored) {
    try {
      // One byte more than claimed shows an entry that unpacks to more.
      bytes = inflateSync(bytes, { out: new Uint8Array(size + 1) });
    } catch {
      fail(`entry ${shown(name)} cannot be unpacked to ${size} bytes`);
    }
  }
  if (bytes.length !== size) {
    fail(`entry ${shown(name)} does not unpack to ${size} bytes`);
  }
  if (crc !== 0 && crc32(bytes) !== crc) {
    fail(`entry ${shown(name)} is damaged, its checksum differs`);
  }
  return bytes.slice(start, start + length);
}

/** Packed bytes that are unpacked at a time when only the head is wanted. */
const HEAD_CHUNK = 1024;

/**
 * Reads the first bytes of a file of a zip archive without unpacking the rest.
 *
 * @param source the archive
 * @param entry the file
 * @param fail throws the caller's error
 * @param length bytes wanted; a shorter file gives fewer
 * @returns the bytes, in memory of their own
 */
export async function readZipHead(
  source: ByteSource,
  entry: ZipEntry,
  fail: Fail,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const wanted = Math.min(length, entry.size);
  const data = await dataStart(source, entry, fail);
  if (entry.isStored) return await source.read(data, wanted);
  const head = new Uint8Array(wanted);
  let done = 0;
  const stream = new Inflate((chunk) => {
    const part = chunk.subarray(0, wanted - done);
    head.set(part, done);
    done += part.length;
  });
  for (let at = 0; at < entry.packed && done < wanted; at += HEAD_CHUNK) {
    const count = Math.min(HEAD_CHUNK, entry.packed - at);
    const part = await source.read(data + at, count);
    try {
      stream.push(part, at + count === entry.packed);
    } catch {
      fail(`entry ${shown(entry.name)} cannot be unpacked`);
    }
  }
  return head.slice(0, done);
}
