import { assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { imageFault } from "../../core/data/image_check.ts";
import { FrameLoader } from "../../core/data/frames.ts";
import {
  cropCentre,
  decodeImage,
  type Image,
} from "../../core/formats/image.ts";
import {
  type PillowFilter,
  resizePillow,
} from "../../core/formats/pillow_resize.ts";
import { decodePng, encodeApng, encodePng } from "../../core/formats/png.ts";
import { readSafetensors } from "../../core/formats/safetensors.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

const folder = new URL("../../fixtures/torch/images/", import.meta.url);

function read(name: string): Promise<Uint8Array> {
  return Deno.readFile(new URL(name, folder));
}

async function pillow(name: string): Promise<Image> {
  using file = await readSafetensors(new URL("pillow.safetensors", folder));
  const { shape: [height = 0, width = 0], bytes } = await file.read(name);
  return { width, height, data: bytes };
}

/** Files of every kind; Pillow's pixels, empty where it refuses one. */
async function kinds() {
  using file = await readSafetensors(new URL("kinds.safetensors", folder));
  const all = new Map<string, { bytes: Uint8Array; pixels: Image }>();
  for (const name of file.names.filter((name) => !name.endsWith(" pixels"))) {
    const key = `${name} pixels`;
    const isRead = file.names.includes(key);
    const { shape: [height = 0, width = 0], bytes: data } = isRead
      ? await file.read(key)
      : { shape: [], bytes: new Uint8Array() };
    const { bytes } = await file.read(name);
    all.set(name, { bytes, pixels: { width, height, data } });
  }
  return all;
}

function assertSame(got: Image, wanted: Image, name: string): void {
  assertEquals([got.width, got.height], [wanted.width, wanted.height], name);
  const differing = wanted.data.reduce(
    (count, value, i) => count + (got.data[i] === value ? 0 : 1),
    0,
  );
  assertEquals(differing, 0, `${name}: differing bytes`);
}

Deno.test("decodeImage gives Pillow's bytes for JPEG and PNG of every kind", async () => {
  for (
    const name of [
      ...["subsampled.jpg", "full.jpg", "progressive.jpg", "grey.jpg"],
      ...["rgb.png", "rgba.png", "grey.png", "palette.png"],
    ]
  ) {
    assertSame(
      decodeImage(await read(name), name),
      await pillow(name),
      name,
    );
  }
  // Pillow 9.4 refuses the same files, but for arithmetic codes.
  const refused: Record<string, string> = {};
  for (const [name, { bytes, pixels }] of await kinds()) {
    try {
      const image = decodeImage(bytes, name);
      assertSame(image, pixels, name);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      refused[name] = error.message;
    }
  }
  assertEquals(refused, {
    "arithmetic.jpg":
      "Cannot read arithmetic.jpg as JPEG: it has 3 components of 8 bits, frame type 9; needed 1, 3 or 4 of 8 bits, baseline or progressive with Huffman codes (types 0 to 2)",
    "wrong_text_checksum.png":
      "Cannot read wrong_text_checksum.png as PNG: the checksum at byte 33 is wrong",
    "wrong_sum.png":
      "Cannot read wrong_sum.png as PNG: its data are damaged (incorrect data check)",
    "few_rows.png":
      "Cannot read few_rows.png as PNG: it is cut off: it holds 195 bytes, needed 196",
    "interrupted.png":
      "Cannot read interrupted.png as PNG: it is cut off: it holds 96 bytes, needed 196",
  });
});

Deno.test("decodeImage and imageFault look at a JPEG up to its end marker, whatever is inside or behind", async () => {
  using folder = tinyFolder();
  const all = await kinds();
  const other = all.get("444.jpg")!.bytes;
  const segment = (marker: number, text: string, data: Uint8Array) => [
    ...[0xff, marker, (data.length + text.length + 2) >> 8],
    ...[(data.length + text.length + 2) & 255],
    ...new TextEncoder().encode(text),
    ...data,
  ];
  const noise = Uint8Array.from({ length: 200_000 }, (_, i) => i * i >> 3);
  for (const name of ["420.jpg", "440_progressive.jpg", "440_restart.jpg"]) {
    const { bytes, pixels } = all.get(name)!;
    const [head, tail] = [bytes.subarray(0, 2), bytes.subarray(2)];
    const exif = [...head, ...segment(0xe1, "Exif\0\0", other)];
    const end = bytes.length - 2;
    const whole = {
      newline: [...bytes, 10],
      zeros: [...bytes, ...new Uint8Array(3000)],
      camera: [...bytes, ...noise],
      second: [...bytes, ...other],
      cutSecond: [...bytes, ...other.subarray(0, -40), ...new Uint8Array(4000)],
      thumbnail: [...exif, ...tail],
      comment: [...head, ...segment(0xfe, "", bytes.slice(end)), ...tail],
      fill: [...bytes.subarray(0, end), 0xff, 0xff, ...bytes.subarray(end)],
    };
    const cut = {
      end: bytes.subarray(0, end),
      half: bytes.subarray(0, bytes.length / 2),
      thumbnailAlone: exif,
      longThumbnailAlone: [
        ...head,
        ...segment(0xe1, "Exif\0\0", noise.subarray(0, 3000)),
        ...exif.slice(2),
      ],
      padded: [...bytes.subarray(0, end), ...new Uint8Array(5000)],
    };
    const path = join(folder.path, name);
    for (const [kind, file] of Object.entries(whole)) {
      await Deno.writeFile(path, Uint8Array.from(file));
      assertEquals(await imageFault(path), undefined, `${name} ${kind}`);
      assertSame(
        decodeImage(Uint8Array.from(file)),
        pixels,
        `${name} ${kind}`,
      );
    }
    for (const [kind, file] of Object.entries(cut)) {
      await Deno.writeFile(path, Uint8Array.from(file));
      assertEquals(await imageFault(path), "truncated_image", kind);
      assertThrows(
        () => decodeImage(Uint8Array.from(file)),
        SyntaxError,
        "cut off",
        kind,
      );
    }
    // One that is cut off before another begins is found at decoding.
    const broken = [...bytes.subarray(0, end), ...other];
    assertThrows(() => decodeImage(Uint8Array.from(broken)), SyntaxError);
  }
});

Deno.test("imageFault finds the end of a PNG before a trailer of any length", async () => {
  using folder = tinyFolder();
  const path = join(folder.path, "a.png");
  const png = await read("rgb.png");
  const trailer = new Uint8Array(100_000).fill(7);
  await Deno.writeFile(path, Uint8Array.from([...png, ...trailer]));
  assertEquals(await imageFault(path), undefined);
  assertSame(decodePng(await Deno.readFile(path)), await pillow("rgb.png"), "");
  await Deno.writeFile(
    path,
    Uint8Array.from([...png.subarray(0, -12), ...trailer]),
  );
  assertEquals(await imageFault(path), "truncated_image");
});

Deno.test("decodeImage refuses what it cannot read, naming file and reason", async () => {
  const refuses = (name: string, bytes: Uint8Array, reason: string) => {
    assertThrows(() => decodeImage(bytes, name), SyntaxError, reason);
    assertThrows(() => decodeImage(bytes, name), SyntaxError, name);
  };
  refuses("cut.jpg", await read("cut.jpg"), "cut off");
  refuses("empty.jpg", new Uint8Array(), "it is empty");
  refuses("text.jpg", new TextEncoder().encode("hello"), "neither");
  const png = await read("rgb.png");
  refuses("cut.png", png.subarray(0, 200), "cut off");
  const damaged = png.slice();
  damaged[20]! ^= 1;
  refuses("damaged.png", damaged, "checksum");
  // A header that promises more pixels than are read.
  const huge = png.slice();
  new DataView(huge.buffer).setUint32(16, 0x7fffffff);
  refuses("huge.png", huge, "checksum");
});

Deno.test("resizePillow gives Pillow's bytes, larger and smaller, each axis alone and both", async () => {
  const picture = await pillow("rgb.png");
  for (const filter of ["bilinear", "bicubic", "lanczos"] as PillowFilter[]) {
    const sizes = [[20, 30], [100, 43], [61, 17], [128, 96]] as [
      number,
      number,
    ][];
    for (const size of sizes) {
      const name = `${filter} ${size[0]}x${size[1]}`;
      assertSame(
        resizePillow(picture, ...size, filter),
        await pillow(name),
        name,
      );
    }
  }
  const square = cropCentre(picture, 43, 43);
  assertSame(
    resizePillow(square, 16, 16, "lanczos"),
    await pillow("crop"),
    "crop",
  );
  assertThrows(() => resizePillow(picture, 0, 5, "lanczos"), RangeError);
  assertThrows(() => cropCentre(picture, 62, 5), RangeError, "61x43");
});

Deno.test("encodePng is undone by decodePng, and encodeApng shows its first frame", async () => {
  const picture = await pillow("rgb.png");
  assertSame(decodePng(encodePng(picture)), picture, "png");
  const other = { ...picture, data: picture.data.map((x) => 255 - x) };
  assertSame(decodePng(encodeApng([picture, other], 100)), picture, "apng");
  assertThrows(() => encodeApng([], 100), RangeError);
});

Deno.test("FrameLoader gives frames in order, and bad ones as errors beside them", async () => {
  const names = ["full.jpg", "cut.jpg", "rgb.png", "none.jpg", "grey.png"];
  const root = decodeURIComponent(folder.pathname);
  const paths = Array.from({ length: 40 }, (_, i) => root + names[i % 5]);
  using loader = new FrameLoader();
  const options = {
    size: [16, 16] as const,
    crop: "centre" as const,
    filter: "lanczos" as const,
  };
  let index = 0;
  for await (const frame of loader.load(paths, options)) {
    assertEquals([frame.index, frame.path], [index, paths[index]]);
    const isBad = index % 5 === 1 || index % 5 === 3;
    assertEquals(frame.image === undefined, isBad, frame.error);
    if (index % 5 === 2 && frame.image) {
      assertSame(frame.image, await pillow("crop"), frame.path);
    }
    index++;
  }
  assertEquals(index, 40);
});

Deno.test("FrameLoader keeps calls apart that overlap, also one that was left", async () => {
  const root = decodeURIComponent(folder.pathname);
  const options = {
    size: [8, 8] as const,
    crop: "centre" as const,
    filter: "bicubic" as const,
  };
  const paths = (name: string) => Array<string>(6).fill(root + name);
  using loader = new FrameLoader();
  const left = loader.load(paths("full.jpg"), options, 6);
  assertEquals((await left.next()).value?.index, 0);
  const [grey, rgb] = await Promise.all(
    ["grey.png", "rgb.png"].map((name) =>
      Array.fromAsync(loader.load(paths(name), options, 3))
    ),
  );
  for (
    const [name, frames] of [["grey.png", grey], ["rgb.png", rgb]] as const
  ) {
    assertEquals(frames?.map(({ index }) => index), [0, 1, 2, 3, 4, 5]);
    assertEquals(frames?.map(({ path }) => path), paths(name));
  }
});
