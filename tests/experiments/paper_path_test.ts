import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { AutoencoderKL } from "../../core/encoders/autoencoder_kl.ts";
import { InceptionV3 } from "../../core/encoders/inception_v3.ts";
import { writeSafetensors } from "../../core/formats/safetensors.ts";
import type { Module } from "../../core/nn/module.ts";
import { generatedParameter } from "../support/generated_weights.ts";
import { writeTinyNuscenes } from "../support/tiny_nuscenes.ts";
import { taskFlags } from "../support/task_flags.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));

/** Writes a full-size file of generated weights. */
async function writeGenerated(path: string, network: Module): Promise<void> {
  const parameters = [...network.namedParameters()]
    .map(([name, { shape }]) => [name, {
      shape,
      data: generatedParameter(name, shape),
    }]);
  await writeSafetensors(path, Object.fromEntries(parameters));
}

Deno.test("frontier's paper preset runs from nuScenes' layout through the full-size networks to the report", async () => {
  const folder = ".test/paper-path";
  const at = (...parts: string[]) => join(root, folder, ...parts);
  await Deno.remove(at(), { recursive: true }).catch(() => {});
  await Deno.mkdir(at(), { recursive: true });
  try {
    const names = Array.from({ length: 5 }, (_, i) => `scene-${i}`);
    await writeTinyNuscenes(
      at("drive"),
      names.map((name) => ({ name, keyframes: 4 })),
      { imageSize: [96, 64] },
    );
    await Deno.writeTextFile(
      at("drive/splits.json"),
      JSON.stringify({
        train: names.slice(0, 2),
        val: names.slice(2, 3),
        test: names.slice(3),
      }),
    );
    await writeGenerated(at("vae.safetensors"), new AutoencoderKL());
    await writeGenerated(at("inception.safetensors"), new InceptionV3());
    const { code, stdout, stderr } = await new Deno.Command("deno", {
      cwd: root,
      args: [
        ...taskFlags("exp:frontier", { writeOnly: folder }),
        ...["--preset", "paper", "--data", `${folder}/drive`],
        ...["--vae", `${folder}/vae.safetensors`],
        ...["--inception", `${folder}/inception.safetensors`],
        ...["--out", `${folder}/runs`, "--cache", `${folder}/data`],
        // The published networks and widths; few, small frames and steps.
        ...["--size", "64", "--horizon", "2", "--seeds", "0"],
        ...["--samples", "8", "--mlp-samples", "8", "--batch", "4"],
        ...["--ddim-steps", "2", "--calibration-windows", "2"],
        ...["--test-windows", "2", "--kid-subsets", "4"],
        ...["--kid-subset-size", "2"],
      ],
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assertEquals(code, 0, text(stderr));
    assertMatch(text(stdout), /The report is/);
    const [run] = await Array.fromAsync(Deno.readDir(at("runs/frontier")));
    const file = (name: string) =>
      Deno.readTextFile(at("runs/frontier", run?.name ?? "", name));
    const table = await file("table2.csv");
    assert(table.split("\n").length > 9, table);
    assert(!/NaN|Infinity/.test(table), table);
    const report = await file("report.html");
    assert(report.includes("Inception-v3 (2048 features)"));
    assert(report.includes("Stable Diffusion"));
  } finally {
    await Deno.remove(at(), { recursive: true }).catch(() => {});
  }
});
