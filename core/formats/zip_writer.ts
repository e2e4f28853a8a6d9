import { crc32 } from "node:zlib";

/** A file of an archive. */
export interface ZipInput {
  /** Its name, with forward slashes. */
  readonly name: string;
  /** Its length in bytes. */
  readonly size: number;
  /** Its content, part by part. */
  readonly parts: AsyncIterable<Uint8Array<ArrayBuffer>>;
}

interface Written {
  readonly name: Uint8Array<ArrayBuffer>;
  readonly size: number;
  readonly crc: number;
  readonly offset: number;
}

/**
 * Writes files, unpacked, as a zip archive. Memory does not grow with files
 * that come in parts. Equal content gives equal bytes.
 *
 * Source: PKWARE APPNOTE 6.3.
 *
 * @param archive an empty file
 * @param files one after another
 */
export async function writeZip(
  archive: Deno.FsFile,
  files: AsyncIterable<ZipInput>,
): Promise<void> {
  let at = 0;
  const write = async (bytes: Uint8Array<ArrayBuffer>) => {
    let done = 0;
    while (done < bytes.length) {
      done += await archive.write(bytes.subarray(done));
    }
    at += bytes.length;
  };
  const written: Written[] = [];
  for await (const { name: text, size, parts } of files) {
    const name = new TextEncoder().encode(text);
    const offset = at;
    await write(localHeader({ name, size, crc: 0, offset }));
    let crc = 0;
    for await (const part of parts) {
      crc = crc32(part, crc);
      await write(part);
    }
    // The checksum is known only after the content.
    await archive.seek(offset, Deno.SeekMode.Start);
    await write(localHeader({ name, size, crc, offset }));
    at = await archive.seek(0, Deno.SeekMode.End);
    written.push({ name, size, crc, offset });
  }
  const start = at;
  for (const entry of written) await write(centralHeader(entry));
  await write(endOfArchive(written.length, start, at - start));
}

const WIDE = 0xffffffff;

/** 1980-01-01, the first day that zip knows; numpy writes it too. */
const DATE = 0x21;

function localHeader({ name, size, crc }: Written): Uint8Array<ArrayBuffer> {
  const isWide = size >= WIDE;
  const extra = isWide ? 20 : 0;
  const bytes = new Uint8Array(30 + name.length + extra);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x04034b50, true);
  view.setUint16(4, isWide ? 45 : 20, true);
  view.setUint16(6, 0x800, true); // the name is UTF-8
  view.setUint16(12, DATE, true);
  view.setUint32(14, crc, true);
  view.setUint32(18, isWide ? WIDE : size, true);
  view.setUint32(22, isWide ? WIDE : size, true);
  view.setUint16(26, name.length, true);
  view.setUint16(28, extra, true);
  bytes.set(name, 30);
  if (isWide) {
    const field = 30 + name.length;
    view.setUint16(field, 1, true);
    view.setUint16(field + 2, 16, true);
    view.setBigUint64(field + 4, BigInt(size), true);
    view.setBigUint64(field + 12, BigInt(size), true);
  }
  return bytes;
}

function centralHeader(entry: Written): Uint8Array<ArrayBuffer> {
  const { name, size, crc, offset } = entry;
  const isWide = size >= WIDE || offset >= WIDE;
  const extra = isWide ? 28 : 0;
  const bytes = new Uint8Array(46 + name.length + extra);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x02014b50, true);
  view.setUint16(4, isWide ? 45 : 20, true);
  view.setUint16(6, isWide ? 45 : 20, true);
  view.setUint16(8, 0x800, true); // the name is UTF-8
  view.setUint16(14, DATE, true);
  view.setUint32(16, crc, true);
  view.setUint32(20, isWide ? WIDE : size, true);
  view.setUint32(24, isWide ? WIDE : size, true);
  view.setUint16(28, name.length, true);
  view.setUint16(30, extra, true);
  view.setUint32(42, isWide ? WIDE : offset, true);
  bytes.set(name, 46);
  if (isWide) {
    const field = 46 + name.length;
    view.setUint16(field, 1, true);
    view.setUint16(field + 2, 24, true);
    view.setBigUint64(field + 4, BigInt(size), true);
    view.setBigUint64(field + 12, BigInt(size), true);
    view.setBigUint64(field + 20, BigInt(offset), true);
  }
  return bytes;
}

function endOfArchive(
  count: number,
  start: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  const isWide = count >= 0xffff || start + length >= WIDE;
  const wide = isWide ? 76 : 0;
  const bytes = new Uint8Array(wide + 22);
  const view = new DataView(bytes.buffer);
  if (isWide) {
    view.setUint32(0, 0x06064b50, true);
    view.setBigUint64(4, 44n, true);
    view.setUint16(12, 45, true);
    view.setUint16(14, 45, true);
    view.setBigUint64(24, BigInt(count), true);
    view.setBigUint64(32, BigInt(count), true);
    view.setBigUint64(40, BigInt(length), true);
    view.setBigUint64(48, BigInt(start), true);
    view.setUint32(56, 0x07064b50, true);
    view.setBigUint64(64, BigInt(start + length), true);
    view.setUint32(72, 1, true);
  }
  view.setUint32(wide, 0x06054b50, true);
  view.setUint16(wide + 8, isWide ? 0xffff : count, true);
  view.setUint16(wide + 10, isWide ? 0xffff : count, true);
  view.setUint32(wide + 12, isWide ? WIDE : length, true);
  view.setUint32(wide + 16, isWide ? WIDE : start, true);
  return bytes;
}
