import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import {
  encodeImages,
  type EncodingJob,
} from "../../core/data/encoded_images.ts";
import { openImages } from "../../core/data/image_source.ts";
import { exp, mul } from "../../core/ops/pointwise.ts";
import { tensor } from "../../core/tensor/create.ts";
import { testGpu } from "../support/gpu.ts";
import { symlink } from "../support/symlink.ts";
import { tinyFolder, tinyPng } from "../support/tiny_nuscenes.ts";

const SIDE = 4;
const SIZE = SIDE * SIDE * 3;

/** Pictures 0 to 4, of which the third is a link to nothing. */
async function pictures(folder: string): Promise<void> {
  for (let i = 0; i < 5; i++) {
    const path = join(folder, `${i}.png`);
    if (i === 2) await symlink("nothing.png", path);
    else await Deno.writeFile(path, tinyPng(SIDE, SIDE, 50 * i));
  }
}

async function encode(folder: string, changes: Partial<EncodingJob> = {}) {
  using source = await openImages(folder, {
    size: [SIDE, SIDE],
    crop: "none",
    filter: "bicubic",
  });
  return await encodeImages({
    gpu: await testGpu(),
    source,
    network: "net (w.pt)",
    side: SIDE,
    folder: join(folder, "cache"),
    digest: "a",
    shard: 2,
    batch: 2,
    size: SIZE,
    input: (level) => level,
    apply: (x) => x.reshape([x.shape[0]!, SIZE]),
    progress: () => {},
    shouldStop: () => false,
    ...changes,
  });
}

Deno.test("encodeImages leaves out what cannot be read, also where it goes on", async () => {
  using folder = tinyFolder();
  await pictures(folder.path);
  let looks = 0;
  assertEquals(
    await encode(folder.path, { shouldStop: () => ++looks > 2 }),
    undefined,
  );
  const result = await encode(folder.path);
  assertEquals(result?.names, ["0.png", "1.png", "3.png", "4.png"]);
  assertEquals(result?.lost, ["2.png: it could not be read"]);
  const blue = [0, 1, 2, 3].map((i) => result?.data[i * SIZE + 2]);
  assertEquals(blue, [0, 50, 150, 200]);

  const fresh = await encode(folder.path, { folder: join(folder.path, "b") });
  assertEquals(fresh?.lost, [
    `2.png: Cannot read ${
      join(folder.path, "2.png")
    }: there is no such file, it is a link to nothing, or its name is no UTF-8`,
  ]);
});

Deno.test("encodeImages refuses results that are not finite, and says whether weights or picture make them", async () => {
  using folder = tinyFolder();
  await pictures(folder.path);
  const refuses = (changes: Partial<EncodingJob>, message: string) =>
    assertRejects(() => encode(folder.path, changes), Error, message);
  await refuses(
    {
      apply: (x) => {
        const weights = tensor(x.gpu, new Float32Array(SIZE).fill(NaN));
        return mul(x.reshape([x.shape[0]!, SIZE]), weights);
      },
    },
    "Cannot encode 0.png by net (w.pt): value 0 of 48 is NaN, needed finite numbers; plain grey gives none either, so its weights are damaged; use others",
  );
  // Only the blue of picture 4 is beyond what exp can take.
  await refuses(
    {
      input: (level) => level === 200 ? 100 : 0,
      apply: (x) => exp(x.reshape([x.shape[0]!, SIZE])),
    },
    "Cannot encode 4.png by net (w.pt): value 2 of 48 is Infinity, needed finite numbers; plain grey gives finite ones, so its values become too large for this picture; leave it out",
  );
});
