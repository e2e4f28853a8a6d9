import { assert, assertEquals, assertThrows } from "@std/assert";
import { encodeGif } from "../../core/report/animation.ts";

/** Reads a GIF as its standard says; frames cover the whole screen. */
function decode(bytes: Uint8Array) {
  const word = (at: number) => bytes[at]! | bytes[at + 1]! << 8;
  const [width, height] = [word(6), word(8)];
  const size = 3 * 2 ** ((bytes[10]! & 7) + 1);
  const palette = bytes.subarray(13, 13 + size);
  const delays: number[] = [];
  const frames: number[][] = [];
  let at = 13 + size;
  /** Joins the blocks that begin here. */
  const blocks = () => {
    const data: number[] = [];
    for (; bytes[at]! > 0; at += bytes[at]! + 1) {
      data.push(...bytes.subarray(at + 1, at + 1 + bytes[at]!));
    }
    at++;
    return data;
  };
  while (bytes[at] !== 0x3b) {
    if (bytes[at] === 0x21) {
      if (bytes[at + 1] === 0xf9) delays.push(10 * word(at + 4));
      at += 2;
      blocks();
      continue;
    }
    assertEquals(bytes[at], 0x2c);
    assertEquals([word(at + 5), word(at + 7), bytes[at + 9]], [
      width,
      height,
      0, // no palette of its own
    ]);
    at += 11;
    assertEquals(bytes[at - 1], 8);
    const indices = unpack(blocks());
    frames.push(indices.flatMap((k) => [...palette.slice(3 * k, 3 * k + 3)]));
  }
  return { width, height, delays, frames };
}

/** Lempel, Ziv and Welch's code with words of growing width. */
function unpack(data: readonly number[]): number[] {
  const depth = 8;
  const clear = 1 << depth;
  let [table, width, bit]: [number[][], number, number] = [[], depth + 1, 0];
  let before: number[] | undefined;
  const result: number[] = [];
  const reset = () => {
    table = Array.from({ length: clear + 2 }, (_, k) => k < clear ? [k] : []);
    width = depth + 1;
    before = undefined;
  };
  reset();
  while (true) {
    let code = 0;
    for (let k = 0; k < width; k++, bit++) {
      code |= (data[bit >> 3]! >> (bit & 7) & 1) << k;
    }
    if (code === clear + 1) return result;
    if (code === clear) {
      reset();
      continue;
    }
    const own = table[code] ?? [...before!, before![0]!];
    result.push(...own);
    if (before !== undefined && table.length < 4096) {
      table.push([...before, own[0]!]);
      if (table.length === 1 << width && width < 12) width++;
    }
    before = own;
  }
}

/** A picture of 20 by 9 pixels in few colours. */
function picture(step: number) {
  const colours = [[255, 0, 0], [10, 200, 30], [0, 0, 255], [255, 255, 255]];
  const pixels = Array.from(
    { length: 180 },
    (_, i) => colours[(i + step) % 4]!,
  );
  return { width: 20, height: 9, data: Uint8Array.from(pixels.flat()) };
}

Deno.test("encodeGif keeps few colours, sizes and times", () => {
  const frames = [0, 1, 2].map(picture);
  const read = decode(encodeGif(frames, 120));
  assertEquals([read.width, read.height], [20, 9]);
  assertEquals(read.delays, [120, 120, 120]);
  assertEquals(read.frames, frames.map(({ data }) => [...data]));
});

Deno.test("encodeGif comes near to many colours, with one palette for all frames", () => {
  const frames = [0, 1].map((step) => ({
    width: 64,
    height: 64,
    data: Uint8Array.from(
      { length: 3 * 64 * 64 },
      (_, i) => [4 * (i / 3 % 64), i / 192, 128 + 64 * step][i % 3]!,
    ),
  }));
  const read = decode(encodeGif(frames, 20));
  for (const [k, { data }] of frames.entries()) {
    const sum = read.frames[k]!
      .reduce((total, x, i) => total + Math.abs(x - data[i]!), 0);
    // Measured 2.5 levels.
    assert(sum / data.length < 6, `${sum / data.length}`);
  }
});

Deno.test("encodeGif refuses no frame, other sizes and times that browsers change", () => {
  assertThrows(() => encodeGif([], 100), RangeError, "animate 0 frames");
  const other = { ...picture(0), width: 9, height: 20 };
  assertThrows(
    () => encodeGif([picture(0), other], 100),
    RangeError,
    "Cannot animate frame 1 of (20, 9) with 540 bytes: it needs (9, 20) with 540",
  );
  for (const delay of [0, 10, NaN, 1e6]) {
    assertThrows(() => encodeGif([picture(0)], delay), RangeError, "20 to");
  }
});
