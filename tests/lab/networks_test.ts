import { assert, assertEquals, assertRejects } from "@std/assert";
import { Lpips, LPIPS_ALEX, LPIPS_VGG16 } from "../../core/encoders/lpips.ts";
import { writeSafetensors } from "../../core/formats/safetensors.ts";
import { readWeights } from "../../core/formats/weights.ts";
import { checkNetworks, loadNetworks } from "../../core/lab/networks.ts";
import type { Module } from "../../core/nn/module.ts";
import { tensor } from "../../core/tensor/create.ts";
import {
  generatedImages,
  generatedParameter,
} from "../support/generated_weights.ts";
import { testGpu } from "../support/gpu.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

const SIZE = 64;

const PIXELS = SIZE * SIZE * 3;

/** Position of AlexNet's convolutions in the slices of `lpips`. */
const SLICES = ["0", "3", "6", "8", "10"];

/** The name that `lpips` has for a convolution of torchvision's AlexNet. */
function inLpips(name: string): string {
  const [first, at = "", kind] = name.split(".");
  return first === "features"
    ? `net.slice${SLICES.indexOf(at) + 1}.${at}.${kind}`
    : name;
}

/** Writes generated parameters, of several modules under the names of `lpips`. */
async function write(path: string, ...modules: Module[]): Promise<string> {
  const rename = (name: string) => modules.length > 1 ? inLpips(name) : name;
  const entries = modules.flatMap((module) =>
    [...module.namedParameters()].map(([name, { shape }]) => [rename(name), {
      shape: name.startsWith("lin") ? [...shape, 1, 1] : shape,
      data: generatedParameter(name, shape),
    }])
  );
  await writeSafetensors(path, Object.fromEntries(entries));
  return path;
}

Deno.test("loadNetworks compares images by LPIPS of a file, and by the demo's network without one", async () => {
  const gpu = await testGpu();
  using folder = tinyFolder();
  // More than are on the device at once.
  const [a, b] = ["a", "b"].map((name) =>
    generatedImages(name, 33 * PIXELS)
  ) as [Float32Array<ArrayBuffer>, Float32Array<ArrayBuffer>];
  using expected = new Lpips();
  const parts = {
    lpips: await write(`${folder.path}/net.safetensors`, expected.net),
    "lpips-heads": await write(
      `${folder.path}/lin.safetensors`,
      expected.heads,
    ),
  };
  const all = await write(
    `${folder.path}/all.safetensors`,
    expected.net,
    expected.heads,
  );
  {
    using net = await readWeights(parts.lpips);
    using heads = await readWeights(parts["lpips-heads"]);
    await expected.load(gpu, net, heads);
  }
  using own = await loadNetworks(gpu, SIZE, { lpips: all });
  assertEquals(own.perceptual?.name, "lpips");
  assertEquals(own.perceptual?.title, "LPIPS by AlexNet");
  const got = await own.perceptual!.distances(a, b);
  assertEquals(got.length, 33);
  using _ = gpu.scope();
  for (const i of [0, 32]) {
    const at = (images: Float32Array<ArrayBuffer>) =>
      tensor(gpu, images.slice(i * PIXELS, (i + 1) * PIXELS))
        .reshape([1, SIZE, SIZE, 3]);
    const [wanted] = await expected.distance(at(a), at(b)).read();
    assertEquals(got[i], wanted);
  }
  using split = await loadNetworks(gpu, SIZE, parts);
  assertEquals(await split.perceptual!.distances(a, b), got);
  using demo = await loadNetworks(gpu, SIZE, {});
  assertEquals(demo.perceptual?.name, "demoPerceptual");
  const ours = await demo.perceptual!.distances(a, a);
  assertEquals([...ours], Array(33).fill(0));
  assert((await demo.perceptual!.distances(a, b)).every((x) => x > 0));
});

Deno.test("checkNetworks says in one line why files of LPIPS cannot be used", async () => {
  const gpu = await testGpu();
  using folder = tinyFolder();
  const [alex, vgg] = [new Lpips(LPIPS_ALEX), new Lpips(LPIPS_VGG16)];
  const at = (name: string) => `${folder.path}/${name}.safetensors`;
  const net = await write(at("net"), alex.net);
  const heads = await write(at("heads"), alex.heads);
  const others = await write(at("others"), vgg.heads);
  await checkNetworks(gpu, SIZE, { lpips: net, "lpips-heads": heads });
  for (
    const [files, message] of [
      [
        { lpips: net },
        `Cannot use "${net}" for --lpips: it has the convolutions alone; give the linear heads by --lpips-heads FILE`,
      ],
      [
        { "lpips-heads": heads },
        `Cannot use "${heads}" for --lpips-heads: it needs --lpips FILE, the convolutions`,
      ],
      [
        { lpips: net, "lpips-heads": others },
        `Cannot use "${others}" for --lpips-heads: Cannot load`,
      ],
      [
        { lpips: heads },
        `Cannot use "${heads}" for --lpips: Cannot load`,
      ],
      [
        { lpips: net, "lpips-heads": at("none") },
        `Cannot use "${at("none")}" for --lpips-heads: there is no such file`,
      ],
    ] as const
  ) {
    const error = await assertRejects(
      () => checkNetworks(gpu, SIZE, files),
      Error,
      message,
    );
    assert(!error.message.includes("\n"));
  }
});
