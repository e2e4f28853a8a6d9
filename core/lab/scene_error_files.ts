import { join } from "@std/path";
import { z } from "zod";
import type { EncoderErrors, SceneErrors } from "../metrics/scene_errors.ts";

/** A file of errors: those of one encoder and seed, by scene. */
const FILE = z.record(
  z.string().min(1),
  z.object({
    steer_rmse: z.number().nonnegative(),
    accel_rmse: z.number().nonnegative(),
    n: z.int().positive(),
  }),
);

async function readOne(path: string): Promise<SceneErrors> {
  let value: unknown;
  try {
    value = JSON.parse(await Deno.readTextFile(path));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SyntaxError(
      `Cannot read "${path}": it is no JSON; copy it again`,
    );
  }
  const parsed = FILE.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new TypeError(
      `Cannot use "${path}": ${
        issue?.path.join(".") || "the file"
      }: ${issue?.message}; needed {scene: {steer_rmse, accel_rmse, n}}`,
    );
  }
  return Object.fromEntries(
    Object.entries(parsed.data).map((
      [scene, { steer_rmse, accel_rmse, n }],
    ) => [
      scene,
      { steer: steer_rmse, accel: accel_rmse, n },
    ]),
  );
}

/**
 * Reads stored errors in the layout of the paper's authors: files
 * `ENCODER_seedK.json`.
 *
 * @param directory folder of the files; others in it are left alone
 * @returns encoders in the order of their names, seeds in order
 * @throws {Error} if the folder has no such file
 * @throws {TypeError} if a file is not in this layout
 */
export async function readSceneErrors(
  directory: string,
): Promise<EncoderErrors[]> {
  const entries = await Array.fromAsync(Deno.readDir(directory));
  const files = entries.flatMap(({ name }) => {
    const match = /^(.+)_seed(\d+)\.json$/.exec(name);
    return match === null
      ? []
      : [{ file: name, encoder: match[1]!, seed: Number(match[2]) }];
  });
  if (files.length === 0) {
    throw new Error(
      `Cannot read errors from "${directory}": it has ${entries.length} entries, none named ENCODER_seedK.json`,
    );
  }
  const byEncoder = Map.groupBy(files, ({ encoder }) => encoder);
  const found: EncoderErrors[] = [];
  for (const name of [...byEncoder.keys()].sort()) {
    const own = byEncoder.get(name)!.toSorted((a, b) => a.seed - b.seed);
    const seeds: SceneErrors[] = [];
    for (const { file } of own) {
      seeds.push(await readOne(join(directory, file)));
    }
    found.push({ name, seeds });
  }
  return found;
}
