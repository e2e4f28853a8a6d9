import { assertEquals, assertRejects, assertThrows } from "@std/assert";
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

const folder = new URL("../../fixtures/torch/images/", import.meta.url);

function read(name: string): Promise<Uint8Array> {
  return Deno.readFile(new URL(name, folder));
}

async function pillow(name: string): Promise<Image> {
  using file = await readSafetensors(new URL("pillow.safetensors", folder));
  const { shape: [height = 0, width = 0], bytes } = await file.read(name);
  return { width, height, data: bytes };
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
      await decodeImage(await read(name), name),
      await pillow(name),
      name,
    );
  }
});

Deno.test("decodeImage refuses what it cannot read, naming file and reason", async () => {
  const refuses = async (name: string, bytes: Uint8Array, reason: string) => {
    await assertRejects(() => decodeImage(bytes, name), SyntaxError, reason);
    await assertRejects(() => decodeImage(bytes, name), SyntaxError, name);
  };
  await refuses("cmyk.jpg", await read("cmyk.jpg"), "CMYK");
  await refuses("cut.jpg", await read("cut.jpg"), "cut off");
  await refuses("empty.jpg", new Uint8Array(), "it is empty");
  await refuses("text.jpg", new TextEncoder().encode("hello"), "neither");
  const png = await read("rgb.png");
  await refuses("cut.png", png.subarray(0, 200), "cut off");
  const damaged = png.slice();
  damaged[60]! ^= 1;
  await refuses("damaged.png", damaged, "checksum");
  // A header that promises more pixels than are read.
  const huge = png.slice();
  new DataView(huge.buffer).setUint32(16, 0x7fffffff);
  await refuses("huge.png", huge, "checksum");
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
