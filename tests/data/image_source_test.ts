import {
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { join } from "@std/path";
import { fitFrame } from "../../core/data/frame_job.ts";
import { openImages } from "../../core/data/image_source.ts";
import { crop, type Image } from "../../core/formats/image.ts";
import { writeNpz } from "../../core/formats/npy.ts";
import { resizePillow } from "../../core/formats/pillow_resize.ts";
import { tinyFolder, tinyPng } from "../support/tiny_nuscenes.ts";

function picture(width: number, height: number): Image {
  const data = Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => (i * 37 + (i >> 5) * 11) & 255,
  );
  return { width, height, data };
}

Deno.test("fitFrame with a number resizes the shorter side, then cuts out the middle as torchvision", () => {
  // torchvision: Resize(7) gives 11 x 7 of 31 x 19, CenterCrop(4) starts at
  // round(3.5) = 4 and round(1.5) = 2, halves to the even.
  const image = picture(31, 19);
  const got = fitFrame(image, { size: [4, 4], crop: 7, filter: "bicubic" });
  const resized = resizePillow(image, 11, 7, "bicubic");
  assertEquals(got, crop(resized, 4, 2, 4, 4));
  // Resize(9) gives 14 x 9; CenterCrop(5) starts at round(4.5) = 4 and 2.
  const wide = fitFrame(image, { size: [5, 5], crop: 9, filter: "bilinear" });
  assertEquals(wide, crop(resizePillow(image, 14, 9, "bilinear"), 4, 2, 5, 5));
  assertThrows(
    () => fitFrame(image, { size: [8, 8], crop: 7, filter: "bicubic" }),
    RangeError,
    "Cannot cut 8x8",
  );
});

Deno.test("openImages cuts clips out of a folder and drops those with a broken picture", async () => {
  using folder = tinyFolder();
  for (let i = 0; i < 7; i++) {
    await Deno.writeFile(join(folder.path, `${i}.png`), tinyPng(16, 8, i));
  }
  await Deno.writeFile(
    join(folder.path, "3.png"),
    tinyPng(16, 8, 3).slice(0, 50),
  );
  const options = { size: [16, 8], crop: "none", filter: "bilinear" } as const;
  using source = await openImages(folder.path, options, 2);
  assertEquals(source.names, ["0.png", "2.png", "4.png"]);
  assertEquals(source.rest, ["6.png"]);
  const items = await Array.fromAsync(source.load(0, 3));
  assertEquals(items.map(({ index }) => index), [0, 1, 2]);
  assertEquals(items.map(({ levels }) => levels?.length), [
    768,
    undefined,
    768,
  ]);
  assertEquals(items[2]?.levels?.[2], 4); // blue of 4.png
  assertEquals(items[2]?.levels?.[384 + 2], 5);
});

Deno.test("openImages digests names and content, not times, sizes or the place", async () => {
  const options = { size: [8, 8], crop: "none", filter: "bilinear" } as const;
  const digestOf = async (path: string, clip?: number) => {
    using source = await openImages(path, options, clip);
    return source.digest;
  };
  using folder = tinyFolder();
  using other = tinyFolder();
  const png = tinyPng(8, 8, 1);
  for (const { path } of [folder, other]) {
    for (const name of ["0.png", "1.png"]) {
      await Deno.writeFile(join(path, name), png);
    }
  }
  const digest = await digestOf(folder.path);
  assertEquals(await digestOf(other.path), digest);
  assertNotEquals(await digestOf(folder.path, 2), digest);

  // Other bytes in the same place, of the same size and time.
  const path = join(folder.path, "1.png");
  const { mtime } = await Deno.stat(path);
  await Deno.writeFile(path, png.with(60, png[60]! ^ 1));
  await Deno.utime(path, mtime!, mtime!);
  assertNotEquals(await digestOf(folder.path), digest);

  await Deno.rename(join(other.path, "1.png"), join(other.path, "2.png"));
  assertNotEquals(await digestOf(other.path), digest);

  const npz = join(folder.path, "a.npz");
  const levels = new Uint8Array(2 * 4 * 4 * 3);
  const write = (data: Uint8Array<ArrayBuffer>) =>
    writeNpz(npz, { images: { shape: [2, 4, 4, 3], data } });
  await write(levels);
  const before = await digestOf(npz);
  await write(levels.with(5, 9));
  assertNotEquals(await digestOf(npz), before);
});

Deno.test("openImages says what an npz file holds and what was needed", async () => {
  using folder = tinyFolder();
  const path = join(folder.path, "a.npz");
  await writeNpz(path, { x: { shape: [2, 3], data: new Float32Array(6) } });
  const options = { size: [8, 8], crop: "none", filter: "bilinear" } as const;
  await assertRejects(
    () => openImages(path, options),
    Error,
    "it holds x: f4 (2, 3), needed one array of uint8 with shape (n, height, width, 3)",
  );
  await assertRejects(
    () => openImages(join(folder.path, "none"), options),
    Error,
    "Cannot read images of",
  );
});
