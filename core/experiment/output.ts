import { writeNpz } from "../formats/npy.ts";
import { writeSafetensors } from "../formats/safetensors.ts";

/** Rows that a command made, and what they are of. */
export interface NamedRows {
  /** Name of the array. */
  readonly name: string;
  /** Shape of the array; its first axis counts the rows. */
  readonly shape: readonly number[];
  /** Row-major values. */
  readonly data: Float32Array<ArrayBuffer>;
  /** Name of each row. */
  readonly names: readonly string[];
  /** What made them. */
  readonly about: Readonly<Record<string, string>>;
}

/**
 * Makes sure, before any work, that a result can be written.
 *
 * @param path an npz or safetensors file
 * @param flag that named it, for messages
 * @throws {Error} if it exists, has another ending, or its folder is missing
 */
export async function checkOutput(
  path: string,
  flag = "--output",
): Promise<void> {
  if (!/\.(npz|safetensors)$/.test(path)) {
    throw new Error(
      `Cannot write ${path}: its name must end in .npz or .safetensors`,
    );
  }
  const exists = await Deno.stat(path).then(() => true, () => false);
  if (exists) {
    throw new Error(
      `Cannot write ${path}: it exists; remove it or name another ${flag}`,
    );
  }
  try {
    const trial = `${path}.partial`;
    (await Deno.open(trial, { create: true, write: true })).close();
    await Deno.remove(trial);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new Error(
      `Cannot write ${path}: ${(error as Error).message}`,
    );
  }
}

/**
 * Writes rows as npz (arrays of the rows, of `names`, and of each fact) or as
 * safetensors (names and facts in the header).
 *
 * @param path where to; its ending decides
 * @param rows what to write
 */
export async function writeRows(path: string, rows: NamedRows): Promise<void> {
  const { name, shape, data, names, about } = rows;
  if (path.endsWith(".safetensors")) {
    const header = { ...about, names: JSON.stringify(names) };
    await writeSafetensors(path, { [name]: { shape, data } }, header);
    return;
  }
  const facts = Object.entries(about).map(([fact, value]) =>
    [fact, { shape: [], data: [value] }] as const
  );
  await writeNpz(path, {
    [name]: { shape, data },
    names: { shape: [names.length], data: names },
    ...Object.fromEntries(facts),
  });
}
