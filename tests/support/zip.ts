import { crc32, deflateRawSync } from "node:zlib";

/** A file of an archive, and what of its description is a lie. */
export interface Member {
  /** Its content. */
  readonly bytes: Uint8Array;
  /** Packs it. */
  readonly isPacked?: boolean;
  /** Another length than its own in the directory. */
  readonly size?: number;
  /** Another packed length than its own in the directory. */
  readonly packed?: number;
  /** Another checksum than its own. */
  readonly crc?: number;
  /** Another place than its own. */
  readonly offset?: number;
  /** Another name in its own header. */
  readonly localName?: string;
  /** Bits of the directory, such as 1 for encrypted. */
  readonly flags?: number;
  /** Another method than its own in the directory. */
  readonly method?: number;
  /** Fields of the directory behind the name. */
  readonly extra?: Uint8Array;
  /** Its name in bytes, where they are no UTF-8. */
  readonly label?: Uint8Array;
}

/** An archive of files in the order given; names may repeat. */
export function zip(
  members: readonly (readonly [string, Member | Uint8Array])[],
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const [name, given] of members) {
    const member = given instanceof Uint8Array ? { bytes: given } : given;
    const { bytes, isPacked = false } = member;
    const data = isPacked ? new Uint8Array(deflateRawSync(bytes)) : bytes;
    const size = member.size ?? bytes.length;
    const packed = member.packed ?? data.length;
    const label = member.label ?? new TextEncoder().encode(name);
    const local = member.localName === undefined
      ? label
      : new TextEncoder().encode(member.localName);
    const extra = member.extra ?? new Uint8Array(0);
    const crc = member.crc ?? crc32(bytes);
    const head = new DataView(new ArrayBuffer(30));
    head.setUint32(0, 0x04034b50, true);
    head.setUint16(8, isPacked ? 8 : 0, true);
    head.setUint32(14, crc, true);
    head.setUint32(18, packed, true);
    head.setUint32(22, size, true);
    head.setUint16(26, local.length, true);
    const entry = new DataView(new ArrayBuffer(46));
    entry.setUint32(0, 0x02014b50, true);
    entry.setUint16(8, member.flags ?? 0, true);
    entry.setUint16(10, member.method ?? (isPacked ? 8 : 0), true);
    entry.setUint32(16, crc, true);
    entry.setUint32(20, packed, true);
    entry.setUint32(24, size, true);
    entry.setUint16(28, label.length, true);
    entry.setUint16(30, extra.length, true);
    entry.setUint32(42, member.offset ?? at, true);
    directory.push(new Uint8Array(entry.buffer), label, extra);
    parts.push(new Uint8Array(head.buffer), local, data);
    at += 30 + local.length + data.length;
  }
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, members.length, true);
  end.setUint16(10, members.length, true);
  end.setUint32(12, directory.reduce((n, part) => n + part.length, 0), true);
  end.setUint32(16, at, true);
  return join([...parts, ...directory, new Uint8Array(end.buffer)]);
}

/** Bytes one after another. */
export function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
