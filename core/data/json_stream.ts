/**
 * Reads files that are one JSON array of objects, however long.
 *
 * @module
 */

import { openToRead } from "../formats/byte_source.ts";

/** Where an object of the array lies in its file. */
export interface RowPlace {
  /** Which object, from 0; objects that the filter skips count. */
  readonly row: number;
  /** Byte of its opening brace, from 0. */
  readonly offset: number;
}

/** Options of {@linkcode readJsonArray}. */
export interface JsonArrayOptions {
  /**
   * Decides on the text of an object whether to parse it. What it skips is
   * checked for balanced braces only.
   */
  readonly filter?: (text: string) => boolean;
  /** Reads NaN and Infinity, which Python writes but JSON lacks, as null. */
  readonly nonFiniteAsNull?: boolean;
  /** Called after each piece of the file. */
  readonly progress?: (bytes: number, total: number) => void;
}

/** What {@linkcode readJsonArray} went through. */
export interface JsonArrayStats {
  /** Objects in the array. */
  readonly rows: number;
  /** Objects that the filter let through. */
  readonly parsed: number;
  /** Length of the file. */
  readonly bytes: number;
}

const PIECE = 1 << 18; // bytes read at once
const LONGEST_ROW = 1 << 24; // bytes; a longer object is taken for damage

/** What to do with a file that is no JSON. */
const DAMAGED = "the file may be damaged, copy it again";

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** What the scanner waits for between objects. */
type Expected = "array" | "firstRow" | "row" | "separator" | "end";

const NEEDED: Readonly<Record<Expected, string>> = {
  array: `"[", the begin of an array of objects`,
  firstRow: `"{" or "]"`,
  row: `"{", the begin of an object`,
  separator: `"," or "]"`,
  end: "the end of the file",
};

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** Replaces NaN and infinities outside of strings. */
function replaceNonFinite(text: string): string {
  return text.replace(
    /"(?:[^"\\]|\\.)*"|\bNaN\b|-?\bInfinity\b/g,
    (match) => match.startsWith('"') ? match : "null",
  );
}

/**
 * Reads a JSON array of objects, one object in memory at a time.
 *
 * Memory is bounded by the longest object, at most 16 MiB, plus 256 KiB.
 *
 * @param path the file
 * @param visit called with each parsed object, in order
 * @param options what to skip, and whom to tell
 * @returns how much there was
 * @throws {SyntaxError} if the file is no JSON array of objects or ends too
 *   early; the message has the file, the byte and the reason
 * @throws {Error} if there is no such file
 */
export async function readJsonArray(
  path: string,
  visit: (value: unknown, place: RowPlace) => void,
  options: JsonArrayOptions = {},
): Promise<JsonArrayStats> {
  const { filter, progress, nonFiniteAsNull = false } = options;
  using file = await openToRead(path);
  const total = (await Deno.stat(path)).size;
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const fail = (offset: number, reason: string): SyntaxError =>
    new SyntaxError(`Cannot read "${path}": at byte ${offset}, ${reason}`);

  let buffer = new Uint8Array(PIECE);
  let filled = 0; // bytes of the buffer that hold file content
  let base = 0; // place in the file of the buffer's first byte
  let at = 0; // next byte to look at
  let expected = "array" as Expected;
  let start = -1; // of the object being scanned, or -1 between objects
  let depth = 0;
  let inString = false;
  let escaped = false;
  let rows = 0;
  let parsed = 0;

  const finishRow = (end: number): void => {
    const place = { row: rows, offset: base + start };
    rows++;
    let text: string;
    try {
      text = decoder.decode(buffer.subarray(start, end));
    } catch {
      throw fail(
        place.offset,
        `row ${place.row} holds bytes that are not UTF-8; ${DAMAGED}`,
      );
    }
    if (filter !== undefined && !filter(text)) return;
    parsed++;
    visit(parseRow(text, place.offset), place);
  };

  const parseRow = (text: string, offset: number): unknown => {
    try {
      return JSON.parse(text);
    } catch (error) {
      if (nonFiniteAsNull) {
        const finite = replaceNonFinite(text);
        if (finite !== text) return parseFinite(finite, offset);
      }
      throw notJson(error, text, offset);
    }
  };

  const parseFinite = (text: string, offset: number): unknown => {
    try {
      return JSON.parse(text);
    } catch (error) {
      throw notJson(error, "", offset);
    }
  };

  const notJson = (
    error: unknown,
    text: string,
    offset: number,
  ): SyntaxError => {
    const message = error instanceof Error ? error.message : String(error);
    const position = Number(/at position (\d+)/.exec(message)?.[1] ?? 0);
    const before = new TextEncoder().encode(text.slice(0, position)).length;
    const reason = message.replace(/ ?(in JSON )?at position .*$/s, "")
      .replaceAll("\n", " ");
    return fail(
      offset + before,
      `row ${rows - 1} is no JSON: ${reason}; ${DAMAGED}`,
    );
  };

  /** Goes through the bytes of an object; stops behind it or at the end. */
  const scanRow = (): void => {
    while (at < filled) {
      const byte = buffer[at++];
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) inString = false;
      } else if (byte === QUOTE) inString = true;
      else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++;
      else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        if (--depth > 0) continue;
        finishRow(at);
        start = -1;
        expected = "separator";
        return;
      }
    }
  };

  /** Takes one byte between objects. */
  const scanBetween = (): void => {
    const byte = buffer[at++]!; // at < filled
    if (isSpace(byte)) return;
    if (expected === "array" && byte === OPEN_BRACKET) expected = "firstRow";
    else if (expected === "separator" && byte === COMMA) expected = "row";
    else if (
      byte === CLOSE_BRACKET &&
      (expected === "separator" || expected === "firstRow")
    ) expected = "end";
    else if (
      byte === OPEN_BRACE && (expected === "firstRow" || expected === "row")
    ) {
      start = at - 1;
      depth = 1;
    } else {
      const got = byte > 0x20 && byte < 0x7f
        ? `"${String.fromCharCode(byte)}"`
        : `the byte 0x${byte.toString(16).padStart(2, "0")}`;
      throw fail(
        base + at - 1,
        `got ${got}, needed ${NEEDED[expected]}; ${DAMAGED}`,
      );
    }
  };

  while (true) {
    // Keep the begun object only, then read behind it.
    const keep = start < 0 ? at : start;
    buffer.copyWithin(0, keep, filled);
    filled -= keep;
    at -= keep;
    base += keep;
    if (start >= 0) start = 0;
    if (filled === buffer.length) {
      if (filled >= LONGEST_ROW) {
        throw fail(
          base,
          `an object is longer than ${LONGEST_ROW} bytes; ${DAMAGED}`,
        );
      }
      const longer = new Uint8Array(buffer.length * 2);
      longer.set(buffer);
      buffer = longer;
    }

    const read = await file.read(buffer.subarray(filled));
    if (read === null) break;
    filled += read;
    if (base === 0 && at === 0 && start < 0 && expected === "array") {
      const mark = buffer[0] === 0xef && buffer[1] === 0xbb &&
        buffer[2] === 0xbf;
      if (mark) at = 3; // UTF-8 byte order mark
    }
    while (at < filled) {
      if (start < 0) scanBetween();
      else scanRow();
    }
    progress?.(base + filled, total);
  }

  if (expected !== "end") {
    const end = base + filled;
    if (end === 0) {
      throw fail(0, "the file is empty, needed a JSON array; copy it again");
    }
    throw fail(
      end,
      start >= 0
        ? `the file ends inside row ${rows}, which begins at byte ${
          base + start
        }; it may be truncated, copy it again`
        : `the file ends, needed ${
          NEEDED[expected]
        }; it may be truncated, copy it again`,
    );
  }
  return { rows, parsed, bytes: base + filled };
}
