import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { join } from "@std/path";
import type { CommonFlags } from "../../core/experiment/flags.ts";
import { writeSafetensors } from "../../core/formats/safetensors.ts";
import { type LabParams, labPresets } from "../../core/lab/params.ts";
import { pairWork } from "../../core/lab/pair_results.ts";
import { planLab } from "../../core/lab/plan.ts";
import { SHIPPED_FEATURES } from "../../core/lab/tune_features.ts";
import { SHIPPED_VAE } from "../../core/lab/tune_vae.ts";
import { testGpu } from "../support/gpu.ts";
import {
  tinyFolder,
  type TinyOptions,
  writeTinyNuscenes,
} from "../support/tiny_nuscenes.ts";

const OFFICIAL = "n015-2018-07-18-11-07-57+0800";

/** Plans the smoke preset. */
async function plan(
  flags: Partial<CommonFlags>,
  params: Partial<LabParams> = {},
) {
  const own = { ...labPresets.smoke, ...params };
  return await planLab(
    own,
    {
      preset: "smoke",
      out: ".test/plan/runs",
      cache: ".test/plan/data",
      fresh: false,
      dryRun: true,
      help: false,
      files: {},
      ...flags,
    },
    await testGpu(),
    (windows) => pairWork(own, windows, 1),
  );
}

/** Plans on a dataset that was damaged; gives the one line of the error. */
async function refusal(
  damage: (root: string, tables: string) => Promise<unknown> | void,
  {
    names = ["scene-0001", "scene-0003", "scene-0012"],
    keyframes = 8,
    params = {},
    ...tiny
  }: TinyOptions & {
    names?: readonly string[];
    keyframes?: number;
    params?: Partial<LabParams>;
  } = {},
): Promise<string> {
  using folder = tinyFolder();
  const scenes = names.map((name) => ({ name, keyframes }));
  const options = { logfile: OFFICIAL, ...tiny };
  const tables = await writeTinyNuscenes(folder.path, scenes, options);
  await damage(folder.path, tables);
  const { message } = await assertRejects(
    () => plan({ data: folder.path }, params),
    Error,
  );
  assertMatch(message, /^Cannot [^\n]*$/);
  return message.replaceAll(folder.path, "DATA");
}

Deno.test("planLab says what is missing of a dataset and what to do", async () => {
  const { message } = await assertRejects(
    () => plan({ data: ".test/no/such/folder" }),
    Error,
  );
  assertEquals(
    message,
    'Cannot read a dataset from ".test/no/such/folder": there is no such folder, needed a folder in nuScenes\' layout',
  );
  await assertRejects(
    () => plan({ data: "deno.json" }),
    Error,
    "it is a file, needed a folder",
  );
  for (
    const table of [
      "sensor.json",
      "calibrated_sensor.json",
      "sample.json",
      "sample_data.json",
    ]
  ) {
    assertStringIncludes(
      await refusal((_, tables) => Deno.remove(join(tables, table))),
      `it has no v1.0-mini/${table}; unpack the metadata of nuScenes there`,
    );
    assertMatch(
      await refusal(async (_, tables) => {
        await Deno.truncate(join(tables, table), 100);
      }),
      new RegExp(`${table}": at byte .*; it may be truncated, copy it again`),
    );
    assertMatch(
      await refusal(async (_, tables) => {
        const path = join(tables, table);
        const bytes = await Deno.readFile(path);
        bytes[bytes.indexOf(0x22) + 1] = 0xff;
        await Deno.writeFile(path, bytes);
      }),
      new RegExp(
        `${table}": at byte .* are not UTF-8; the file may be damaged`,
      ),
    );
    assertStringIncludes(
      await refusal(async (_, tables) => {
        await Deno.remove(join(tables, table));
        await Deno.mkdir(join(tables, table));
      }),
      "it is a folder, needed a file",
    );
  }
  assertStringIncludes(
    await refusal((_, tables) => Deno.remove(join(tables, "scene.json"))),
    "no folder in it has a scene.json",
  );
  assertStringIncludes(
    await refusal((root) => remove(root, "can_bus")),
    "none of 24 keyframes in v1.0-mini is left, dropped: 24 missing_CAN_messages; unpack the CAN bus expansion",
  );
  assertStringIncludes(
    await refusal((root) => remove(root, "samples")),
    "dropped: 24 missing_image; unpack the archives with samples/CAM_FRONT there",
  );
  assertMatch(
    await refusal((root) =>
      Deno.writeTextFile(join(root, "splits.json"), '{"train": [')
    ),
    /Cannot use "DATA\/splits\.json": needed JSON such as/,
  );
});

function remove(...parts: string[]): Promise<void> {
  return Deno.remove(join(...parts), { recursive: true });
}

Deno.test("planLab refuses parts of nuScenes that lack a part or windows, and counts the others", async () => {
  const train = ["scene-0001", "scene-0002"];
  assertEquals(
    await refusal(() => {}, { names: train }),
    'Cannot use "DATA": no test scene has data; 2 scenes in v1.0-mini, all with data; 2 of 630 training, 0 of 70 validation, 0 of 150 test scenes by the lists of nuScenes; add the data of some, such as "scene-0003", or part its scenes anew in DATA/splits.json',
  );
  assertStringIncludes(
    await refusal(() => {}, { names: ["scene-0003"] }),
    "no training scene has data",
  );
  assertMatch(
    await refusal(() => {}, { names: ["scene-0077"], version: "v1.0-test" }),
    /lists of nuScenes: they lack 1 of 1 scenes, "scene-0077"; .*splits\.json/,
  );
  assertStringIncludes(
    await refusal(() => {}, { keyframes: 4 }),
    "the longest of 1 training scenes has 4 keyframes, --horizon 4 needs 5; choose --horizon 3 or less",
  );
  assertStringIncludes(
    await refusal(() => {}, {
      names: ["scene-0001", "scene-0003"],
      keyframes: 5,
    }),
    "have 1 window of --horizon 4, KID and FID need 2",
  );

  using folder = tinyFolder();
  const names = ["scene-0001", "scene-0002", "scene-0003", "scene-0161"];
  await writeTinyNuscenes(
    folder.path,
    names.map((name) => ({ name, keyframes: 8 })),
    { version: "v1.0-trainval", logfile: OFFICIAL },
  );
  for await (const { name } of Deno.readDir(join(folder.path, CAMERA))) {
    if (name.startsWith("scene-0002")) await remove(folder.path, CAMERA, name);
  }
  const counts =
    "4 scenes in v1.0-trainval, 2 with data, 2 without (1 blacklisted_scene, 1 missing_image); 1 of 630 training, 0 of 70 validation, 1 of 150 test scenes by the lists of nuScenes";
  const { text, notes } = await plan(
    { data: folder.path },
    { kidSubsetSize: 50 },
  );
  assertStringIncludes(text, counts);
  assertStringIncludes(text, "4 to train on, 4 to score");
  assertEquals(notes, [
    counts,
    "KID takes subsets of 4 images, not of 50: there are 4 test windows",
  ]);
});

const CAMERA = "samples/CAM_FRONT";

Deno.test("planLab refuses files of other networks and names their flags", async () => {
  using folder = tinyFolder();
  const text = join(folder.path, "notes.pth");
  await Deno.writeTextFile(text, "<html>");
  const scaled = join(folder.path, "scaled.safetensors");
  await writeSafetensors(
    scaled,
    { "decoder.conv_in.weight": { shape: [1], data: Float32Array.of(0) } },
    { scaling_factor: "none" },
  );
  const expect = async (files: Record<string, string>, message: RegExp) => {
    const error = await assertRejects(() => plan({ files }), Error);
    assertMatch(error.message, /^[^\n]*$/);
    assertMatch(error.message, message);
  };
  await expect(
    { vae: SHIPPED_FEATURES },
    /demo_features.safetensors" for --vae: .*look like the demo's feature/,
  );
  await expect(
    { inception: SHIPPED_VAE },
    /demo_vae.safetensors" for --inception: .*Stable Diffusion VAE/,
  );
  await expect({ vae: "none.pth" }, /"none.pth" for --vae: there is no such/);
  await expect({ inception: text }, /for --inception: .*it is a web page/);
  await expect({ inception: folder.path }, /for --inception: .*it is no file/);
  await expect({ vae: scaled }, /for --vae: .*scaling_factor "none"/);
  await plan({ files: { vae: SHIPPED_VAE, inception: SHIPPED_FEATURES } });
  await assertRejects(
    () => plan({}, { size: 128 }),
    Error,
    "sees frames of 64 pixels, got 128; choose --size 64",
  );
  await assertRejects(
    () => plan({}, { horizon: 40 }),
    Error,
    "Cannot use --horizon 40: scenes of the embedded world have 40 keyframes",
  );
});
