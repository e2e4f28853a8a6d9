/**
 * Parts a dataset into training, validation and test scenes.
 *
 * @module
 */

import { join } from "@std/path";
import { z } from "zod";
import { key } from "../tensor/philox.ts";
import lists from "./nuscenes_splits.json" with { type: "json" };
import type { DataQuality, Dataset, Scene, SplitName } from "./scene.ts";

/** Fractions of the scenes, which add up to at most 1, and how to draw. */
export interface SplitFractions {
  /** Fraction of the scenes to train on. */
  readonly train: number;
  /** Fraction to validate on. */
  readonly val: number;
  /** Fraction to test on. */
  readonly test: number;
  /** Seed of the draw. */
  readonly seed: number;
}

/** File of a dataset that says how its scenes are parted. */
export const SPLIT_FILE = "splits.json";

/** Names of scenes. */
export interface SplitLists {
  /** Scenes to train on. */
  readonly train: readonly string[];
  /** Scenes to validate on. */
  readonly val: readonly string[];
  /** Scenes to test on. */
  readonly test: readonly string[];
}

/**
 * How to part a dataset: "nuscenes" by the published lists; "auto" by these if
 * the dataset is nuScenes, else 80, 10 and 10 percent with seed 42.
 */
export type SplitSpec = "auto" | "nuscenes" | SplitFractions | SplitLists;

/** The parts, each sorted by name; `split` of their scenes is set. */
export interface Split {
  /** Which rule was used. */
  readonly kind: "nuscenes" | "fractions" | "lists";
  /** Scenes to train on. */
  readonly train: readonly Scene[];
  /** Scenes to validate on. */
  readonly val: readonly Scene[];
  /** Scenes to test on. */
  readonly test: readonly Scene[];
  /** Scenes that the rule names; larger than the parts if some have no data. */
  readonly nominal: Readonly<Record<SplitName, number>>;
  /** Named scenes without data, with the reason that they were dropped for. */
  readonly absent: readonly {
    /** Name of the scene. */
    readonly name: string;
    /** Why, or that the tables do not have it. */
    readonly reason: string;
  }[];
  /** Scenes with data that no part has. */
  readonly unused: readonly string[];
}

/** What {@linkcode splitScenes} needs of a dataset. */
export interface Splittable {
  /** Scenes with data. */
  readonly scenes: readonly Scene[];
  /** Whether they are those of nuScenes. */
  readonly official?: boolean;
  /** Tells dropped scenes from unknown ones. */
  readonly quality?: Pick<DataQuality, "droppedScenes">;
}

const NAMES = ["train", "val", "test"] as const;
const DEFAULT: SplitFractions = { train: 0.8, val: 0.1, test: 0.1, seed: 42 };

/** "1-3 7" to scene-0001, scene-0002, scene-0003, scene-0007. */
function namesOf(ranges: readonly string[]): string[] {
  return ranges.flatMap((line) => line.split(" ")).flatMap((range) => {
    const [first = NaN, last = first] = range.split("-").map(Number);
    return Array.from(
      { length: last - first + 1 },
      (_, i) => `scene-${String(first + i).padStart(4, "0")}`,
    );
  });
}

/**
 * Lists the published parts of nuScenes: 630, 70 and 150 scenes.
 *
 * Source: the published code's manifest. The test part is the official
 * validation list; the others are a draw from the official training list.
 */
export function nuscenesSplit(): SplitLists {
  return {
    train: namesOf(lists.train),
    val: namesOf(lists.val),
    test: namesOf(lists.test),
  };
}

/**
 * Lists the 21 scenes of nuScenes that have no usable CAN data.
 *
 * Source: the blacklist of the nuScenes development kit.
 */
export function canBlacklist(): string[] {
  return namesOf(lists.canBlacklist);
}

function quoted(names: readonly string[]): string {
  const shown = names.slice(0, 8).map((name) => `"${name}"`).join(", ");
  return names.length > 8 ? `${shown} and ${names.length - 8} more` : shown;
}

/** Refuses names that occur twice. */
function checkOverlap(parts: SplitLists): void {
  const owner = new Map<string, SplitName>();
  const faults: string[] = [];
  for (const part of NAMES) {
    for (const name of parts[part]) {
      const other = owner.get(name);
      if (other !== undefined) {
        faults.push(
          `"${name}" is in ${other} ${
            other === part ? "twice" : `and ${part}`
          }`,
        );
      }
      owner.set(name, part);
    }
  }
  if (faults.length === 0) return;
  const more = faults.length > 8 ? ` and ${faults.length - 8} more` : "";
  throw new RangeError(
    `Cannot split scenes: ${
      faults.slice(0, 8).join(", ")
    }${more}; a scene may be in one part only`,
  );
}

function draw(
  scenes: readonly Scene[],
  { train, val, test, seed }: SplitFractions,
): SplitLists {
  const fractions = [train, val, test];
  if (
    fractions.some((fraction) => !(fraction >= 0)) ||
    !(train + val + test <= 1 + 1e-9)
  ) {
    throw new RangeError(
      `Cannot split scenes by ${
        fractions.join(", ")
      }: needed three fractions from 0 that add up to at most 1`,
    );
  }
  const names = scenes.map((scene) => scene.name).sort();
  const count = names.length;
  const wanted = fractions.filter((fraction) => fraction > 0).length;
  if (count < wanted) {
    throw new RangeError(
      `Cannot split ${count} scenes into ${wanted} parts: needed a scene for each; supply more scenes or set a fraction to 0`,
    );
  }
  const atLeast = (fraction: number) =>
    fraction > 0 ? Math.max(1, Math.round(fraction * count)) : 0;
  const sizes = fractions.map(atLeast);
  const left = Math.round((train + val + test) * count);
  // Rounding may ask for more than there is: the largest part gives.
  while (sizes.reduce((a, b) => a + b, 0) > Math.max(left, wanted)) {
    const largest = sizes.indexOf(Math.max(...sizes));
    sizes[largest] = sizes[largest]! - 1; // indexOf finds it
  }
  const [trainSize = 0, valSize = 0, testSize = 0] = sizes;
  const order = Array.from(
    key("split", seed).permutation(count),
    (i) => names[i]!, // a permutation of the indices of names
  );
  const testFrom = trainSize + valSize;
  return {
    train: order.slice(0, trainSize),
    val: order.slice(trainSize, testFrom),
    test: order.slice(testFrom, testFrom + testSize),
  };
}

/**
 * Parts the scenes of a dataset. No scene is in two parts.
 *
 * Drawing shuffles the names in ascending order with the stream "split" of the
 * seed, so that the same names give the same parts everywhere.
 *
 * @param dataset its scenes; not changed
 * @param spec "auto" unless given
 * @throws {RangeError} if lists overlap, a name is unknown, or there are fewer
 *   scenes than parts
 */
export function splitScenes(
  dataset: Splittable,
  spec: SplitSpec = "auto",
): Split {
  if (spec === "auto") {
    return splitScenes(dataset, dataset.official ? "nuscenes" : DEFAULT);
  }
  const byName = new Map(dataset.scenes.map((scene) => [scene.name, scene]));
  const reasons = new Map(
    dataset.quality?.droppedScenes.map(({ name, reason }) => [name, reason]),
  );
  const kind = spec === "nuscenes"
    ? "nuscenes"
    : "seed" in spec
    ? "fractions"
    : "lists";
  const parts = spec === "nuscenes"
    ? nuscenesSplit()
    : "seed" in spec
    ? draw(dataset.scenes, spec)
    : spec;
  checkOverlap(parts);

  const named = new Set(NAMES.flatMap((part) => parts[part]));
  const unused = [...byName.keys()].filter((name) => !named.has(name)).sort();
  if (kind === "nuscenes" && unused.length > 0) {
    throw new RangeError(
      `Cannot split scenes by the lists of nuScenes: they lack ${unused.length} of ${byName.size} scenes, ${
        quoted(unused)
      }; use fractions or lists of names, such as in ${SPLIT_FILE} of the folder`,
    );
  }
  const unknown = [...named].filter((name) =>
    !byName.has(name) && !reasons.has(name)
  );
  if (kind === "lists" && unknown.length > 0) {
    throw new RangeError(
      `Cannot split scenes: the dataset has no ${
        quoted(unknown)
      }; it has ${byName.size} scenes, the first is "${
        [...byName.keys()].sort()[0]
      }"`,
    );
  }
  const take = (part: SplitName): Scene[] =>
    [...parts[part]].sort().flatMap((name) => {
      const scene = byName.get(name);
      return scene === undefined ? [] : [{ ...scene, split: part }];
    });
  return {
    kind,
    train: take("train"),
    val: take("val"),
    test: take("test"),
    nominal: {
      train: parts.train.length,
      val: parts.val.length,
      test: parts.test.length,
    },
    absent: [...named].filter((name) => !byName.has(name)).sort()
      .map((name) => ({
        name,
        reason: reasons.get(name) ?? "not_in_tables",
      })),
    unused,
  };
}

const SPEC = z.union([
  z.enum(["auto", "nuscenes"]),
  z.object({
    train: z.number(),
    val: z.number(),
    test: z.number(),
    seed: z.number(),
  }),
  z.object({
    train: z.array(z.string()),
    val: z.array(z.string()),
    test: z.array(z.string()),
  }),
]);

/**
 * Reads the split that the maker of a dataset wrote into its folder.
 *
 * @param root folder of the dataset
 * @returns "auto" if there is no such file
 * @throws {SyntaxError} if the file holds no split
 */
export async function readSplit(root: string): Promise<SplitSpec> {
  const path = join(root, SPLIT_FILE);
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "auto";
    throw error;
  }
  try {
    return SPEC.parse(JSON.parse(text));
  } catch {
    throw new SyntaxError(
      `Cannot use "${path}": needed JSON such as {"train": ["scene-0001"], "val": [], "test": ["scene-0003"]}; write it again or remove it`,
    );
  }
}

/** What messages call the parts. */
export const PART_TITLES: Readonly<Record<SplitName, string>> = {
  train: "training",
  val: "validation",
  test: "test",
};

/**
 * Says in one line which scenes of a dataset have data, and how they are parted.
 *
 * @param dataset as read
 * @param split of it
 */
export function describeSplit(
  { scenes, version, quality }: Pick<Dataset, "scenes" | "version" | "quality">,
  { kind, nominal, unused, ...parts }: Split,
): string {
  const dropped = quality.droppedScenes;
  const counts = [...Map.groupBy(dropped, ({ reason }) => reason)]
    .map(([reason, list]) => `${list.length} ${reason}`).sort();
  const sizes = NAMES.map((part) => {
    const own = parts[part].length;
    const whole = nominal[part] === own ? "" : ` of ${nominal[part]}`;
    return `${own}${whole} ${PART_TITLES[part]}`;
  });
  const rule = {
    nuscenes: "by the lists of nuScenes",
    fractions: "drawn",
    lists: "by lists of names",
  }[kind];
  return `${scenes.length + dropped.length} scenes in ${version}, ${
    dropped.length === 0 ? "all" : scenes.length
  } with data${
    dropped.length > 0
      ? `, ${dropped.length} without (${counts.join(", ")})`
      : ""
  }; ${sizes.join(", ")} scenes ${rule}${
    unused.length > 0 ? `, ${unused.length} in no part` : ""
  }`;
}

/**
 * Refuses a part of a dataset in which no scene has data.
 *
 * @param root folder of the dataset
 * @param dataset as read
 * @param split of it
 * @param part that is needed
 * @throws {Error} saying which scenes there are, and which to add
 */
export function checkPart(
  root: string,
  dataset: Pick<Dataset, "scenes" | "version" | "quality">,
  split: Split,
  part: SplitName,
): void {
  if (split[part].length > 0) return;
  const [wanted] = split.kind === "nuscenes" ? nuscenesSplit()[part] : [];
  const more = wanted === undefined
    ? ""
    : `add the data of some, such as "${wanted}", or `;
  throw new Error(
    `Cannot use "${root}": no ${PART_TITLES[part]} scene has data; ${
      describeSplit(dataset, split)
    }; ${more}part its scenes anew in ${join(root, SPLIT_FILE)}`,
  );
}
