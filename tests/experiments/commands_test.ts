import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { fitFrame } from "../../core/data/frame_job.ts";
import { DemoFeatureNet } from "../../core/encoders/demo_features.ts";
import { encoders } from "../../core/encoders/mod.ts";
import { openAutoencoder } from "../../core/encoders/open_autoencoder.ts";
import { decodeImage, type Image } from "../../core/formats/image.ts";
import { readNpz, writeNpz } from "../../core/formats/npy.ts";
import { readSafetensors } from "../../core/formats/safetensors.ts";
import { noGrad } from "../../core/tensor/autograd.ts";
import { tensor } from "../../core/tensor/create.ts";
import { testGpu } from "../support/gpu.ts";
import { taskFlags } from "../support/task_flags.ts";
import { tinyJpeg, tinyPng } from "../support/tiny_nuscenes.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));
const SHIPPED = join(root, "fixtures/weights");

/** Runs a task as `run` does, in its sandbox. */
async function task(
  name: "embed" | "fid" | "vae" | "weights",
  folder: string,
  ...args: string[]
) {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    cwd: root,
    args: [...taskFlags(name, { write: folder }), ...args],
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const FRAMES = 5;

/** A folder of five pictures, one broken file, and one that is none. */
async function pictures(name: string): Promise<{
  folder: string;
  images: Image[];
}> {
  const folder = `.test/${name}`;
  await Deno.remove(join(root, folder), { recursive: true }).catch(() => {});
  await Deno.mkdir(join(root, folder, "in"), { recursive: true });
  const images: Image[] = [];
  for (let i = 0; i < FRAMES; i++) {
    const png = tinyPng(40, 24, 50 * i);
    await Deno.writeFile(join(root, folder, "in", `frame-${i}.png`), png);
    images.push(await decodeImage(png));
  }
  const cut = tinyJpeg().subarray(0, 200);
  await Deno.writeFile(join(root, folder, "in", "broken.jpg"), cut);
  await Deno.writeTextFile(join(root, folder, "in", "notes.txt"), "no image");
  return { folder, images };
}

Deno.test("embed embeds a folder and an npz file alike, and names what it cannot read", async () => {
  const { folder, images } = await pictures("embed");
  const output = `${folder}/rows.npz`;
  const args = ["demo_features", "--input", `${folder}/in`, "--batch", "2"];
  const done = await task("embed", folder, ...args, "--output", output);
  assertEquals(done.code, 0, done.stderr);
  assertMatch(done.stderr, /Left out broken\.jpg: Cannot read/);
  assertMatch(
    done.stdout,
    /5 of 6 images \(1 left out\) to \(192\), .* a second /,
  );
  using file = await readNpz(join(root, output));
  const { shape, data } = await file.read("embeddings");
  assertEquals(shape, [FRAMES, 192]);
  const { data: names } = await file.read("names");
  assertEquals(names[4], "frame-4.png");
  const { data: leftOut } = await file.read("left_out");
  assertEquals([...leftOut as string[]], ["broken.jpg"]);

  const gpu = await testGpu();
  using _ = gpu.scope();
  using network = new DemoFeatureNet();
  using weights = await readSafetensors(
    join(SHIPPED, "demo_features.safetensors"),
  );
  await network.load(gpu, weights);
  const options = {
    size: [64, 64],
    crop: "centre",
    filter: "bicubic",
  } as const;
  const levels = images.flatMap((image) => [...fitFrame(image, options).data]);
  const frames = tensor(gpu, Float32Array.from(levels, (level) => level / 255));
  const wanted = await noGrad(() =>
    network.encode(frames.reshape([FRAMES, 64, 64, 3]))
  ).read();
  for (const [i, value] of wanted.entries()) {
    const error = Math.abs(Number(data[i]) - value) / (1 + Math.abs(value));
    assert(error < 1e-5, `value ${i}: ${data[i]}, wanted ${value}`);
  }

  const array = `${folder}/frames.npz`;
  await writeNpz(join(root, array), {
    frames: {
      shape: [FRAMES, 24, 40, 3],
      data: Uint8Array.from(images.flatMap((image) => [...image.data])),
    },
  });
  const other = `${folder}/rows.safetensors`;
  const again = await task(
    "embed",
    folder,
    "demo_features",
    ...["--input", array, "--batch", "2", "--output", other],
  );
  assertEquals(again.code, 0, again.stderr);
  using second = await readSafetensors(join(root, other));
  const { bytes } = await second.read("embeddings");
  assertEquals(new Float32Array(bytes.buffer, bytes.byteOffset, 192 * 5), data);
  assertEquals(second.metadata.encoder, "demo_features");
  assertEquals(second.metadata.left_out, "[]");

  const refused = await task("embed", folder, ...args, "--output", output);
  assertEquals(refused.code, 1);
  assertMatch(refused.stderr, /it exists; remove it or name another --output/);
});

Deno.test("embed refuses what it cannot do and says what to do", async () => {
  const { folder } = await pictures("embed-refused");
  const output = ["--output", `${folder}/rows.npz`];
  const input = ["--input", `${folder}/in`];
  const expect = async (code: number, message: RegExp, ...args: string[]) => {
    const got = await task("embed", folder, ...args);
    assertMatch(got.stderr, message);
    assertEquals(got.code, code);
  };
  await expect(2, /did you mean vit_s16\?/, "vit_s61", ...input, ...output);
  await expect(
    2,
    /did you mean --output\?/,
    "vit_s16",
    ...input,
    "--outptu",
    "x",
  );
  await expect(
    1,
    /there is no weights\/vit_s16\.safetensors; get model\.safetensors of timm/,
    "vit_s16",
    ...input,
    ...output,
  );
  await expect(
    1,
    /their names look like the Stable Diffusion VAE/,
    ...["vit_s16", ...input, ...output],
    ...["--weights", "fixtures/weights/demo_vae.safetensors"],
  );
  await expect(
    1,
    /it holds 0 JPEG or PNG files.*it has the folders in/,
    ...["demo_features", "--input", folder, ...output],
  );
  await expect(
    2,
    /demo_features takes no clips/,
    "demo_features",
    ...input,
    ...output,
    "--clip",
    "2",
  );
  await expect(
    1,
    /must end in \.npz or \.safetensors/,
    ...["demo_features", ...input, "--output", `${folder}/rows.csv`],
  );
});

Deno.test("vae decode takes integers for names and latents beside any tensor, and refuses other names", async () => {
  const folder = ".test/vae-names";
  await Deno.remove(join(root, folder), { recursive: true }).catch(() => {});
  await Deno.mkdir(join(root, folder), { recursive: true });
  const data = new Float32Array(3 * 4 * 2 * 2);
  const latents = { shape: [3, 4, 2, 2], data };
  const decode = async (input: string, output: string) => {
    const paths = ["--input", `${folder}/${input}`, "--output"];
    const got = await task("vae", folder, "decode", ...paths, output);
    return { ...got, lines: got.stderr.trim().split("\n") };
  };
  const filesOf = async (output: string) =>
    (await Array.fromAsync(Deno.readDir(join(root, output))))
      .map(({ name }) => name).filter((name) => name.endsWith(".png")).sort();

  const names = { shape: [3], data: BigInt64Array.of(0n, 1n, -2n) };
  await writeNpz(join(root, folder, "a.npz"), { latents, names });
  const done = await decode("a.npz", `${folder}/a`);
  assertEquals(done.code, 0, done.stderr);
  assertEquals(await filesOf(`${folder}/a`), ["-2.png", "0.png", "1.png"]);

  // The published header of a tensor of another type, without its names.
  const header = JSON.stringify({
    latents: { dtype: "F32", shape: [3, 4, 2, 2], data_offsets: [0, 192] },
    scale: { dtype: "F8_E4M3", shape: [4], data_offsets: [192, 196] },
  });
  const bytes = new Uint8Array(8 + header.length + 196);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(new TextEncoder().encode(header), 8);
  await Deno.writeFile(join(root, folder, "b.safetensors"), bytes);
  const beside = await decode("b.safetensors", `${folder}/b`);
  assertEquals(beside.code, 0, beside.stderr);
  assertEquals((await filesOf(`${folder}/b`)).length, 3);

  const refused: Record<string, [Parameters<typeof writeNpz>[1], RegExp]> = {
    "floats": [
      { latents, names: { shape: [3], data: Float32Array.of(0, 1.5, 2) } },
      /"names" holds no text at 1, needed 3 texts/,
    ],
    "too few": [
      { latents, names: { shape: [2], data: ["a", "b"] } },
      /"names" has shape \(2\), needed 3 texts/,
    ],
    "an empty name": [
      { latents, names: { shape: [3], data: ["a", "..", "b"] } },
      /"names" holds "\.\." at 1/,
    ],
    "no latent": [
      { latents: { shape: [0, 4, 2, 2], data: new Float32Array(0) } },
      /there is no latent in it, their shape is \(0, 4, 2, 2\)/,
    ],
  };
  for (const [what, [arrays, message]] of Object.entries(refused)) {
    await writeNpz(join(root, folder, "c.npz"), arrays);
    const got = await decode("c.npz", `${folder}/c`);
    assertEquals(got.code, 1, what);
    assertEquals(got.lines.length, 1, got.stderr);
    assertMatch(got.stderr, message);
  }
});

Deno.test("vae encodes to latents and decodes them to the pictures", async () => {
  const { folder, images } = await pictures("vae");
  const latents = `${folder}/latents.npz`;
  const encoded = await task(
    "vae",
    folder,
    ...["encode", "--input", `${folder}/in`, "--output", latents],
  );
  assertEquals(encoded.code, 0, encoded.stderr);
  assertMatch(encoded.stderr, /Left out broken\.jpg/);
  assertMatch(
    encoded.stdout,
    /5 of 6 images \(1 left out\) to \(4, 8, 8\) by the demo's VAE/,
  );
  const pngs = `${folder}/out`;
  const args = ["decode", "--input", latents, "--output", pngs];
  const decoded = await task("vae", folder, ...args);
  assertEquals(decoded.code, 0, decoded.stderr);

  const gpu = await testGpu();
  using _ = gpu.scope();
  const path = join(SHIPPED, "demo_vae.safetensors");
  using open = await openAutoencoder(gpu, path);
  const options = {
    size: [64, 64],
    crop: "centre",
    filter: "lanczos",
  } as const;
  const levels = fitFrame(images[3]!, options).data;
  const x = tensor(
    gpu,
    Float32Array.from(levels, (level) => level / 127.5 - 1),
  );
  const wanted = await noGrad(() =>
    open.vae.decode(open.vae.encode(x.reshape([1, 64, 64, 3])))
  ).read();
  const file = join(root, pngs, "frame-3.png");
  const { data } = await decodeImage(await Deno.readFile(file));
  let worst = 0;
  for (const [i, value] of wanted.entries()) {
    worst = Math.max(worst, Math.abs(data[i]! - 255 * value));
  }
  assert(worst <= 0.51, `off by ${worst} levels`);

  await Deno.remove(join(root, pngs, "frame-1.png"));
  const again = await task("vae", folder, ...args);
  assertMatch(again.stdout, /1 images of 64x64 .*; 4 were there/);

  const other = `${folder}/other.npz`;
  await writeNpz(join(root, other), {
    latents: { shape: [2, 4, 8, 8], data: new Float32Array(512).fill(0.5) },
  });
  const before = await Deno.readFile(file);
  const refused = await task(
    "vae",
    folder,
    ...["decode", "--input", other, "--output", pngs],
  );
  assertEquals(refused.code, 1);
  assertMatch(
    refused.stderr,
    /Cannot write into .*out: it holds results of .*latents\.npz; name another --output, or remove/,
  );
  const foreign = await task(
    "vae",
    folder,
    ...["decode", "--input", other, "--output", `${folder}/in`],
  );
  assertEquals(foreign.code, 1);
  assertMatch(foreign.stderr, /so this command did not write it/);
  assertEquals(await Deno.readFile(file), before);
});

Deno.test("embed and vae encode refuse to lack more than one image and 1 %, unless allowed", async () => {
  const { folder } = await pictures("missing");
  const cut = tinyJpeg().subarray(0, 100);
  await Deno.writeFile(join(root, folder, "in", "broken-too.jpg"), cut);
  const output = `${folder}/rows.npz`;
  for (
    const [name, ...words] of [["embed", "demo_features"], ["vae", "encode"]]
  ) {
    const args = [...words, "--input", `${folder}/in`, "--output", output];
    const refused = await task(name as "embed" | "vae", folder, ...args);
    assertEquals(refused.code, 1);
    assertMatch(
      refused.stderr,
      /2 of 7 are left out, more than 1 %; .* by --allow-missing/,
    );
    const done = await task(
      name as "embed" | "vae",
      folder,
      "--allow-missing",
      ...args,
    );
    assertEquals(done.code, 0, done.stderr);
    assertMatch(done.stdout, /5 of 7 images \(2 left out\)/);
    using file = await readNpz(join(root, output));
    const { data } = await file.read("left_out");
    assertEquals([...data as string[]], ["broken-too.jpg", "broken.jpg"]);
    await Deno.remove(join(root, output));
  }
});

Deno.test("fid takes options anywhere, keeps features by content, and counts what it left out", async () => {
  const { folder } = await pictures("fid");
  const [a, b] = [`${folder}/in`, `${folder}/b`];
  await Deno.mkdir(join(root, b));
  for (let i = 0; i < FRAMES; i++) {
    const png = tinyPng(40, 24, 20 + 30 * i);
    await Deno.writeFile(join(root, b, `frame-${i}.png`), png);
  }
  const json = `${folder}/fid.json`;
  const first = await task(
    "fid",
    folder,
    ...["--subsets", "3", a, b, "--json", json],
  );
  assertEquals(first.code, 0, first.stderr);
  assertMatch(first.stdout, /n 5 of 6 \(1 left out\) and 5 /);
  const read = async () =>
    JSON.parse(await Deno.readTextFile(join(root, json)));
  const result = await read();
  assertEquals(result.n, [5, 5]);
  assertEquals(result.images, [6, 5]);
  assertEquals(result.leftOut, [["broken.jpg"], []]);

  // All from the kept features, in another order of words.
  const second = await task(
    "fid",
    folder,
    ...[a, "--json", json, b, "--subsets=3"],
  );
  assertEquals(second.stdout, first.stdout);
  assertEquals(await read(), result);

  // Another picture takes the place of one, under its name and time.
  const path = join(root, b, "frame-2.png");
  const { mtime } = await Deno.stat(path);
  await Deno.writeFile(path, tinyPng(40, 24, 250));
  await Deno.utime(path, mtime!, mtime!);
  const third = await task("fid", folder, a, b, "--json", json, "--fid-only");
  assertEquals(third.code, 0, third.stderr);
  const changed = await read();
  assert(changed.fid !== result.fid, `${changed.fid}`);
  assertEquals(changed.kid, undefined);
  assertEquals(third.stdout.includes("KID"), false);
});

Deno.test("fid refuses flags that it cannot follow before any work", async () => {
  const { folder } = await pictures("fid-refused");
  const a = `${folder}/in`;
  const expect = async (code: number, message: RegExp, ...args: string[]) => {
    const got = await task("fid", folder, ...args);
    assertMatch(got.stderr, message);
    assertEquals(got.code, code);
  };
  await expect(2, /--size 0: it needs a positive integer/, a, a, "--size", "0");
  await expect(2, /--size -3: it needs/, "--size", "-3", a, a);
  await expect(2, /--size 128: the small network takes 64/, a, a, "--size=128");
  await expect(2, /name two folders/, a);
  await expect(
    2,
    /--fid-only with --kid-only/,
    a,
    a,
    "--fid-only",
    "--kid-only",
  );
  await expect(
    2,
    /--subsets with --fid-only/,
    "--fid-only",
    "--subsets=3",
    a,
    a,
  );
  await expect(
    2,
    /--subset-size 7: .* holds 6 images/,
    a,
    a,
    "--subset-size=7",
  );
  await expect(
    2,
    /--subset-size 1: it needs at least 2/,
    a,
    a,
    "--subset-size=1",
  );
  await expect(1, /fid-refused: it is a folder/, a, a, "--json", folder);
  await Deno.writeFile(join(root, a, "broken-too.jpg"), new Uint8Array(9));
  await expect(1, /Cannot score .*: 2 of 7 are left out, more than 1 %/, a, a);
});

/** A copy of shipped weights with a value at a byte of the file. */
async function damaged(
  folder: string,
  file: string,
  offset: number,
  value: number,
): Promise<string> {
  const bytes = await Deno.readFile(join(SHIPPED, file));
  new DataView(bytes.buffer).setFloat16(offset, value, true);
  const path = `${folder}/${value}-${offset}.safetensors`;
  await Deno.writeFile(join(root, path), bytes);
  return path;
}

Deno.test("fid, embed and vae refuse weights that are not finite and write nothing", async () => {
  const { folder } = await pictures("damaged");
  const input = `${folder}/in`;
  const latents = `${folder}/latents.npz`;
  await writeNpz(join(root, latents), {
    latents: { shape: [1, 4, 2, 2], data: new Float32Array(16) },
  });
  const features = (value: number) =>
    damaged(folder, "demo_features.safetensors", 18856, value);
  const vae = (offset: number) =>
    damaged(folder, "demo_vae.safetensors", offset, NaN);
  const output = `${folder}/out`;
  const embed = [
    "demo_features",
    "--input",
    input,
    "--output",
    `${output}.npz`,
  ];
  const cases = [
    ["fid", [input, input], await features(NaN)],
    ["embed", embed, await features(NaN)],
    ["embed", embed, await features(Infinity)],
    [
      "vae",
      ["decode", "--input", latents, "--output", output],
      await vae(639368),
    ],
    [
      "vae",
      ["encode", "--input", input, "--output", `${output}.npz`],
      await vae(21792),
    ],
  ] as const;
  for (const [name, args, weights] of cases) {
    const { code, stderr } = await task(
      name,
      folder,
      ...args,
      "--weights",
      weights,
    );
    assertEquals(code, 1, stderr);
    assertMatch(
      stderr,
      new RegExp(
        `Cannot load weights of "[^"]*${weights}": value \\d+ of tensor "[\\w.]+" is (NaN|Infinity), needed finite numbers`,
      ),
    );
  }
  for await (const { name } of Deno.readDir(join(root, folder))) {
    assert(!name.startsWith("out"), `${name} was written`);
  }
});

Deno.test("vae decode refuses latents that are not finite and names which", async () => {
  const folder = ".test/not_finite";
  await Deno.mkdir(join(root, folder), { recursive: true });
  const data = new Float32Array(48);
  data[20] = -Infinity;
  const latents = `${folder}/latents.npz`;
  await writeNpz(join(root, latents), {
    latents: { shape: [3, 4, 2, 2], data },
  });
  const args = ["decode", "--input", latents, "--output", `${folder}/out`];
  const { code, stderr } = await task("vae", folder, ...args);
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /latent 1 holds -Infinity, needed finite numbers/);
});

Deno.test("weights lists every network and says which file is wrong", async () => {
  const folder = ".test/weights";
  await Deno.mkdir(join(root, folder), { recursive: true });
  await Deno.copyFile(
    join(SHIPPED, "demo_vae.safetensors"),
    join(root, folder, "vit_s16.safetensors"),
  );
  const { code, stdout } = await task("weights", folder, "--weights", folder);
  assertEquals(code, 1);
  const lpips = ["alex", "alex_lin", "vgg", "vgg_lin"]
    .map((name) => `lpips_${name}`);
  for (const name of [...Object.keys(encoders), "sd_vae", ...lpips]) {
    assert(stdout.includes(`\n${name} `) || stdout.startsWith(name), name);
  }
  assertMatch(
    stdout,
    /vit_s16\.safetensors: 1\.7 MB; does not fit\. .*look like the Stable/,
  );
  assertMatch(
    stdout,
    /demo_features\.safetensors: .* MB; fits, 235,096 values/,
  );
  assertMatch(stdout, /ViT-B-32\.pt: not there/);
});
