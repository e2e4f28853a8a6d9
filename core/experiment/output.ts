import { join } from "@std/path";
import { writeNpz } from "../formats/npy.ts";
import { writeSafetensors } from "../formats/safetensors.ts";
import { readJson, writeAtomic } from "./run_directory.ts";

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
  /** Names of the images that are left out. */
  readonly leftOut: readonly string[];
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
  await checkWritable(path, flag);
}

/**
 * Makes sure, before any work, that a file can be written.
 *
 * @param path the file; what it holds is left alone
 * @param flag that named it, for messages
 * @throws {Error} if it is a folder, or its own folder is missing or closed
 */
export async function checkWritable(
  path: string,
  flag = "--output",
): Promise<void> {
  const isFolder = await Deno.stat(path).then(
    (stat) => stat.isDirectory,
    () => false,
  );
  if (isFolder) throw new Error(`Cannot write ${path}: it is a folder`);
  try {
    const trial = `${path}.partial`;
    (await Deno.open(trial, { create: true, write: true })).close();
    await Deno.remove(trial);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new Error(
      `Cannot write ${path}: ${(error as Error).message}; name another ${flag}`,
    );
  }
}

/** Share of the images that may be left out unasked, if more than one is. */
const MOST_LEFT_OUT = 0.01;

/**
 * Names the images that are left out, and refuses a result that lacks more
 * than one of them and more than 1 %.
 *
 * @param action what is refused, for the message
 * @param lost the images, with reasons
 * @param total images that were given
 * @param isAllowed whether any number may be left out
 * @throws {Error} if too many are
 */
export function checkLost(
  action: string,
  lost: readonly string[],
  total: number,
  isAllowed: boolean,
): void {
  for (const item of lost) console.error(`Left out ${item}`);
  if (isAllowed || lost.length <= Math.max(1, MOST_LEFT_OUT * total)) return;
  throw new Error(
    `Cannot ${action}: ${lost.length} of ${total} are left out, more than 1 %; mend or remove them, or go on without them by --allow-missing`,
  );
}

/**
 * Says how many were used of how many, as `5 of 6 images (1 left out)`.
 *
 * @param used their number
 * @param leftOut number of the others
 * @param noun what they are; nothing unless given
 */
export function counted(used: number, leftOut: number, noun = ""): string {
  const of = leftOut === 0 ? "" : ` of ${used + leftOut}`;
  const without = leftOut === 0 ? "" : ` (${leftOut} left out)`;
  return `${used}${of}${noun && ` ${noun}`}${without}`;
}

/** What the files of a folder were made of. */
export interface FolderFacts {
  /** Path of the input, for messages. */
  readonly input: string;
  /** Digest of the input. */
  readonly inputDigest: string;
  /** Digest of the weights. */
  readonly weights: string;
}

/**
 * Reserves a folder for results of one input by one network: a record of both
 * is left in it, and the same command may go on there.
 *
 * @param folder where results go; made if it is missing
 * @param record name of the record's file
 * @param facts what the results are made of
 * @throws {Error} if it holds anything else
 */
export async function claimFolder(
  folder: string,
  record: string,
  facts: FolderFacts,
): Promise<void> {
  const refuse = (holds: string) => {
    throw new Error(
      `Cannot write into ${folder}: it holds ${holds}; name another --output, or remove what it holds`,
    );
  };
  await Deno.mkdir(folder, { recursive: true });
  const path = join(folder, record);
  const known = await readJson(path).catch(() =>
    refuse(`a ${record} that cannot be read`)
  ) as FolderFacts | undefined;
  if (known === undefined) {
    for await (const { name } of Deno.readDir(folder)) {
      if (name !== `${record}.partial`) {
        refuse(`${name} and no ${record}, so this command did not write it`);
      }
    }
    await writeAtomic(path, JSON.stringify(facts, null, 2));
    return;
  }
  if (known.inputDigest !== facts.inputDigest) {
    refuse(
      known.input === facts.input
        ? `results of what ${known.input} was before`
        : `results of ${known.input}`,
    );
  }
  if (known.weights !== facts.weights) refuse("results of other weights");
}

/**
 * Writes rows as npz (arrays of the rows, of `names` and `left_out`, and of
 * each fact) or as safetensors (names and facts in the header).
 *
 * @param path where to; its ending decides
 * @param rows what to write
 */
export async function writeRows(path: string, rows: NamedRows): Promise<void> {
  const { name, shape, data, names, leftOut, about } = rows;
  if (path.endsWith(".safetensors")) {
    const header = {
      ...about,
      names: JSON.stringify(names),
      left_out: JSON.stringify(leftOut),
    };
    await writeSafetensors(path, { [name]: { shape, data } }, header);
    return;
  }
  const facts = Object.entries(about).map(([fact, value]) =>
    [fact, { shape: [], data: [value] }] as const
  );
  await writeNpz(path, {
    [name]: { shape, data },
    names: { shape: [names.length], data: names },
    left_out: { shape: [leftOut.length], data: leftOut },
    ...Object.fromEntries(facts),
  });
}
