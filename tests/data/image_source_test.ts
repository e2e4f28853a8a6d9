import {
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { join } from "@std/path";
import { fitFrame } from "../../core/data/frame_job.ts";
import { listImages, openImages } from "../../core/data/image_source.ts";
import { crop, type Image } from "../../core/formats/image.ts";
import { writeNpz } from "../../core/formats/npy.ts";
import { resizePillow } from "../../core/formats/pillow_resize.ts";
import { symlink } from "../support/symlink.ts";
import { formatUrl } from "../support/formats.ts";
import { tinyFolder, tinyPng } from "../support/tiny_nuscenes.ts";
import { zip } from "../support/zip.ts";

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
  assertMatch(
    items[1]?.error ?? "",
    /^picture 2 of 2: Cannot read .*3\.png as PNG: it is cut off/,
  );
  assertEquals(items[2]?.levels?.[2], 4); // blue of 4.png
  assertEquals(items[2]?.levels?.[384 + 2], 5);
});

Deno.test("openImages lists pictures by their numbers, and what is no file as what cannot be read", async () => {
  using folder = tinyFolder();
  const good = ["a_1.png", "a_2.png", "a_10.png", "a_010.png", "b.png"];
  for (const [i, name] of good.entries()) {
    await Deno.writeFile(join(folder.path, name), tinyPng(8, 8, i));
  }
  await Deno.mkdir(join(folder.path, "x.png"));
  await symlink("nothing", join(folder.path, "z.png"));
  await symlink("loop.png", join(folder.path, "loop.png"));
  await Deno.writeTextFile(join(folder.path, "text.jpg"), "no image");
  const options = { size: [8, 8], crop: "none", filter: "bilinear" } as const;
  using source = await openImages(folder.path, options);
  const bad = ["loop.png", "text.jpg", "x.png", "z.png"];
  assertEquals(source.names, [
    ...["a_1.png", "a_2.png", "a_010.png", "a_10.png", "b.png"],
    ...bad,
  ]);
  const items = await Array.fromAsync(source.load(0, 9));
  assertEquals(items.map(({ levels }) => levels?.[2]), [
    ...[0, 1, 3, 2, 4],
    ...bad.map(() => undefined),
  ]);
  assertEquals(
    items.slice(5).map(({ error }) => error?.replace(folder.path, "")),
    [
      "Cannot read /loop.png: Too many levels of symbolic links (os error 40)",
      "Cannot read /text.jpg as a picture: it is neither JPEG nor PNG",
      "Cannot read /x.png: it is a folder",
      "Cannot read /z.png: there is no such file, it is a link to nothing, or its name is no UTF-8",
    ],
  );
});

Deno.test("listImages keeps names of equally many digits in the order of their characters", async () => {
  using folder = tinyFolder();
  const names = ["n01__a-1531", "n01__a-1532", "n01_b-0001", "n02", "n02a"]
    .map((name) => `${name}.jpg`).sort();
  for (const name of names) {
    await Deno.writeTextFile(join(folder.path, name), "");
  }
  assertEquals(await listImages(folder.path), names);
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

Deno.test("openImages reads the images of an npz file beside anything else, and says that there is none", async () => {
  using folder = tinyFolder();
  const path = join(folder.path, "a.npz");
  const options = { size: [4, 4], crop: "none", filter: "bilinear" } as const;
  const data = Uint8Array.from(picture(4, 8).data);
  await writeNpz(path, { images: { shape: [2, 4, 4, 3], data } });
  const bytes = await Deno.readFile(path);
  // In an archive written anew, since writeNpz writes arrays only.
  const images = bytes.slice(
    30 + "images.npy".length,
    bytes.length - 22 - 46 - "images.npy".length,
  );
  const objects = await Deno.readFile(formatUrl("objects.npy"));
  await Deno.writeFile(
    path,
    zip([
      ["labels.npy", objects],
      ["images.npy", images],
      ["README.txt", { bytes: data, flags: 1 }],
    ]),
  );
  {
    using source = await openImages(path, options);
    const items = await Array.fromAsync(source.load(0, 2));
    assertEquals(items.flatMap(({ levels = [] }) => [...levels]), [...data]);
  }
  await Deno.writeFile(path, zip([["labels.npy", objects]]));
  await assertRejects(
    () => openImages(path, options),
    Error,
    "it holds labels: not read, needed one array of uint8",
  );
  for (const shape of [[0, 4, 4, 3], [2, 0, 4, 3], [2, 4, 0, 3]]) {
    await writeNpz(path, { images: { shape, data: new Uint8Array(0) } });
    await assertRejects(
      () => openImages(path, options),
      Error,
      `there is no image in "images", its shape is (${shape.join(", ")})`,
    );
  }
  const clips = { shape: [0, 2, 4, 4, 3], data: new Uint8Array(0) };
  await writeNpz(path, { clips });
  await assertRejects(
    () => openImages(path, options, 2),
    Error,
    "there is no image",
  );
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
