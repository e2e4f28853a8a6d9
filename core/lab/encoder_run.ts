/**
 * Runs of experiments that compare encoders: their stages, plans and inputs.
 *
 * @module
 */

import { join } from "@std/path";
import { readNuscenes } from "../data/nuscenes.ts";
import { bucketNames, bucketScenes } from "../data/scene_buckets.ts";
import { encoders } from "../encoders/mod.ts";
import type { Each, Plan } from "../experiment/experiment.ts";
import type { Finding } from "../experiment/findings.ts";
import { type CommonFlags, UsageError } from "../experiment/flags.ts";
import { digestText } from "../experiment/run_directory.ts";
import { digestFile } from "../formats/digest.ts";
import { readWeights } from "../formats/weights.ts";
import {
  commonScenes,
  type EncoderErrors,
  type SceneErrors,
  sceneErrors,
} from "../metrics/scene_errors.ts";
import { trainEncoderProbe } from "../training/encoder_probe.ts";
import type { BenchParams, BenchPart, EncoderBench } from "./encoder_bench.ts";
import {
  encoderEntries,
  type EncoderRole,
  ROLE_NAMES,
  ROLES,
} from "./encoder_entries.ts";
import { clipPictures } from "./encoder_pictures.ts";
import type { Compared } from "./encoder_results.ts";
import { readSceneErrors } from "./scene_error_files.ts";
import { StoredEmbeddings } from "./stored_embeddings.ts";
import type { WorldShare } from "./world.ts";

/** Flags that take folders. */
export const BENCH_FILES = {
  "per-scene":
    "folder of stored errors, ENCODER_seedK.json: only the statistics are run",
  embeddings: "folder of ENCODER.npz as published: only probes are trained",
  weights:
    "folder of the published weights (./run weights); stand-ins of this project where one is missing",
};

/** Name of the baseline that sees nothing. */
const BASELINE = "mean_action";

/** What a probe made of the test scenes. */
interface Probed {
  readonly errors: SceneErrors;
  /** Mean loss of the first and of the last epoch. */
  readonly loss: readonly [number, number];
}

/** Stages of a run. */
export const benchStages = {
  /** Draws a share of the embedded world. */
  draw: (bench: EncoderBench, work: WorldShare) => bench.draw(work),
  /** Embeds the keyframes of a part. */
  async embed(
    bench: EncoderBench,
    { name, part }: { name: string; part: BenchPart },
  ) {
    const { record, facts } = await bench.embed(name, part);
    return { ...facts, seconds: record.seconds };
  },
  /** Trains a probe and measures it on the test scenes. */
  async probe(
    bench: EncoderBench,
    { name, seed }: { name: string; seed: number },
  ): Promise<Probed> {
    const { gpu, params, context: { interrupt, run } } = bench;
    const train = await bench.embeddings(name, "train");
    const test = await bench.embeddings(name, "test");
    const { epochs, batch, lr, dropout, width, adapter } = params;
    const settings = { epochs, batch, lr, dropout, width, adapter, seed };
    const line = bench.context.progress("probe");
    const checkpoint = run.file(`probe-${name}-${seed}.safetensors`);
    const result = await trainEncoderProbe(gpu, train, [test], settings, {
      checkpoint,
      digest: await digestText(JSON.stringify([name, settings])),
      progress: ({ step, steps, ...loss }) =>
        line.update({ done: step, total: steps, ...loss }),
      shouldStop: () => interrupt.requested,
    });
    line.end();
    if (result === undefined) {
      interrupt.check();
      throw new Error("Stopped while training a probe");
    }
    await Deno.remove(checkpoint).catch(() => {});
    const { loss } = result.curve;
    return {
      errors: sceneErrors(test.scenes, test.actions, result.predictions[0]!),
      loss: [loss[0] ?? 0, loss.at(-1) ?? 0],
    };
  },
  /** Measures what the mean action of the training frames is worth. */
  async baseline(bench: EncoderBench, { name }: { name: string }) {
    const [train, test] = [
      await bench.embeddings(name, "train"),
      await bench.embeddings(name, "test"),
    ];
    const count = train.actions.length / 2;
    const centre = [0, 0];
    train.actions.forEach((value, i) => centre[i % 2]! += value / count);
    const same = test.actions.map((_, i) => centre[i % 2]!);
    return sceneErrors(test.scenes, test.actions, same);
  },
} as const;

/** Roles by the authors' keys. */
const PUBLISHED_ROLES = Object.fromEntries(
  ROLE_NAMES.map((role) => [ROLES[role].published, role]),
);

function publishedTitles(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names.map((name) => {
      const role = PUBLISHED_ROLES[name] as EncoderRole | undefined;
      return [name, role === undefined ? name : ROLES[role].title];
    }),
  );
}

/** What was compared, with notes on where it is from. */
export interface BenchResult {
  /** Errors, titles, roles, buckets. */
  readonly compared: Compared;
  /** What a reader must know. */
  readonly notes: readonly string[];
  /** Facts of the dataset. */
  readonly dataset: Readonly<Record<string, string>>;
  /** Pictures of what encoders see, where there are frames. */
  readonly media?: NonNullable<Finding["media"]>;
}

/** Stored errors, as they are. */
async function storedErrors(directory: string): Promise<BenchResult> {
  const errors = await readSceneErrors(directory);
  const scenes = commonScenes(errors);
  const names = errors.map(({ name }) => name);
  const buckets = bucketNames(scenes);
  return {
    compared: {
      errors,
      titles: publishedTitles(names),
      roles: PUBLISHED_ROLES,
      ...(buckets ? { buckets } : {}),
    },
    notes: [
      `Errors were read, not measured: ${names.length} encoders, ${scenes.length} scenes, from ${directory}.`,
    ],
    dataset: { errors: directory, scenes: String(scenes.length) },
  };
}

type Stage = Each<EncoderBench, typeof benchStages>;

/** Trains the probes of some encoders. */
async function probeAll(
  names: readonly string[],
  seeds: readonly number[],
  each: Stage,
): Promise<EncoderErrors[]> {
  const cases = names.flatMap((name) => seeds.map((seed) => ({ name, seed })));
  const probed = await each("probe", cases, { title: "train the probes" });
  return names.map((name) => ({
    name,
    seeds: probed.filter((_, i) => cases[i]!.name === name)
      .map(({ errors }) => errors),
  }));
}

/**
 * Measures encoders, or reads what was measured.
 *
 * @param bench of the first thread
 * @param each does a stage on all lanes
 * @throws {Interrupted} if it was asked to stop
 */
export async function measureEncoders(
  bench: EncoderBench,
  each: Stage,
): Promise<BenchResult> {
  const { flags } = bench.context;
  const { seeds } = bench.params;
  const given = flags.files["per-scene"];
  if (given !== undefined) return await storedErrors(given);
  const stored = await bench.stored;
  if (stored !== undefined) {
    const { names } = stored;
    const errors = await probeAll(names, seeds, each);
    const base = await each("baseline", [{ name: names[0]! }]);
    const buckets = bucketNames(commonScenes(errors));
    return {
      compared: {
        errors,
        controls: [{ name: BASELINE, seeds: base }],
        titles: { ...publishedTitles(names), [BASELINE]: "Mean action" },
        roles: PUBLISHED_ROLES,
        ...(buckets ? { buckets } : {}),
      },
      notes: [`Embeddings were read from ${flags.files.embeddings}.`],
      dataset: { embeddings: flags.files.embeddings! },
    };
  }
  const { scenes, digest, about } = await bench.data();
  const entries = await bench.entries();
  const names = entries.map(({ name }) => name);
  const cases = names.flatMap((name) =>
    (["train", "test"] as const).map((part) => ({ name, part }))
  );
  const embedded = await each("embed", cases, { title: "embed keyframes" });
  const errors = await probeAll(names, seeds, each);
  const base = await each("baseline", [{ name: names[0]! }]);
  const isMain = (name: string) =>
    entries.some((entry) => entry.name === name && entry.role !== undefined);
  const rate = embedded.map(({ frames, seconds }) => frames / seconds);
  return {
    compared: {
      errors: errors.filter(({ name }) => isMain(name)),
      controls: [
        ...errors.filter(({ name }) => !isMain(name)),
        { name: BASELINE, seeds: base },
      ],
      titles: {
        ...Object.fromEntries(entries.map(({ name, title }) => [name, title])),
        [BASELINE]: "Mean action of the training frames",
      },
      roles: Object.fromEntries(
        entries.flatMap(({ name, role }) => role ? [[name, role]] : []),
      ),
      buckets: bucketScenes(scenes.test),
    },
    notes: [
      `${about}.`,
      `Keyframes were embedded at ${Math.min(...rate).toFixed(0)} to ${
        Math.max(...rate).toFixed(0)
      } a second.`,
      ...standInNotes(names),
    ],
    dataset: { folder: flags.data ?? "embedded world", digest, scenes: about },
    media: await clipPictures(bench),
  };
}

/**
 * Says which encoders are this project's.
 *
 * @param names of entries
 */
export function standInNotes(names: readonly string[]): string[] {
  const own = names.filter((name) => name.startsWith("small_"));
  return own.length === 0 ? [] : [
    `${own.length} of ${names.length} encoders are small stand-ins of this project, one trunk trained for five objectives on the embedded world (./run train:encoders): they show what the comparison does, and say nothing of the paper's encoders.`,
  ];
}

/**
 * Gives what changes the result beside the parameters.
 *
 * @param flags with the folders given
 */
export async function inputsOf(
  { files, data, cache }: CommonFlags,
): Promise<Record<string, string>> {
  const { "per-scene": errors, embeddings, weights } = files;
  if (errors !== undefined) {
    const read = JSON.stringify(await readSceneErrors(errors));
    return { errors: await digestText(read) };
  }
  if (embeddings !== undefined) {
    using stored = await StoredEmbeddings.open(embeddings);
    const digests: Record<string, string> = {};
    for (const name of stored.names) {
      digests[name] = await digestFile(join(embeddings, `${name}.npz`));
    }
    return digests;
  }
  const digests: Record<string, string> = {
    data: data === undefined
      ? "embedded world"
      : (await readNuscenes(data, { cache: join(cache, "index") })).digest,
  };
  for (const { name, weights: path } of await encoderEntries(weights)) {
    digests[name] = await digestFile(path);
  }
  return digests;
}

/**
 * Lists published files that a folder lacks, in one line.
 *
 * @param directory folder of the published files
 */
export async function lackingWeights(directory?: string): Promise<string[]> {
  const own = (await encoderEntries(directory)).filter(({ role, name }) =>
    role !== undefined && name !== ROLES[role].published
  );
  const files = new Set(
    own.map(({ role }) => encoders[ROLES[role!].encoder]!.weights.file),
  );
  return files.size === 0
    ? []
    : [`--weights DIR with ${[...files].join(", ")} (./run weights)`];
}

/**
 * Says what a run would do, and refuses what cannot work.
 *
 * @param params validated
 * @param flags with the folders given
 * @throws {UsageError} if folders are given that exclude each other
 * @throws {Error} if a file cannot be used
 */
export async function planBench(
  params: BenchParams,
  flags: CommonFlags,
): Promise<Plan> {
  const { "per-scene": errors, embeddings, weights } = flags.files;
  const given = [
    ...Object.entries({ "per-scene": errors, embeddings, data: flags.data }),
  ].filter(([, path]) => path !== undefined).map(([name]) => `--${name}`);
  if (given.length > 1) {
    throw new UsageError(
      `Cannot use ${
        given.join(" with ")
      }: each says where all numbers come from; give one`,
    );
  }
  const missing = flags.preset === "paper" && given.length === 0
    ? [
      "--data DIR (nuScenes v1.0-trainval with its CAN-bus expansion), or --embeddings DIR or --per-scene DIR",
    ]
    : [];
  if (flags.preset === "paper" && errors === undefined && !embeddings) {
    missing.push(...await lackingWeights(weights));
  }
  if (missing.length > 0 && !flags.dryRun) {
    throw new Error(
      `Cannot run the paper preset: it needs ${missing.join("; ")}`,
    );
  }
  const { seeds, epochs, batch } = params;
  const lines = [`Preset ${flags.preset}`];
  if (errors !== undefined) {
    const read = await readSceneErrors(errors);
    lines.push(
      `  errors    ${errors}: ${read.length} encoders, ${
        commonScenes(read).length
      } scenes`,
    );
  } else {
    let names: readonly string[];
    if (embeddings !== undefined) {
      using stored = await StoredEmbeddings.open(embeddings);
      ({ names } = stored);
      lines.push(`  rows      ${embeddings}`);
    } else {
      const entries = await encoderEntries(weights);
      for (const { create, weights } of entries) {
        using network = create();
        using file = await readWeights(weights);
        network.check(file);
      }
      names = entries.map(({ name }) => name);
      lines.push(
        `  data      ${
          flags.data ??
            `embedded world, ${params.trainScenes} training and ${params.testScenes} test scenes at 12 Hz`
        }`,
      );
    }
    lines.push(
      `  encoders  ${names.join(", ")}`,
      `  probes    ${
        names.length * seeds.length
      }, ${epochs} epochs by ${batch} frames`,
    );
  }
  if (missing.length > 0) {
    lines.push("", "Missing:", ...missing.map((line) => `  ${line}`));
  }
  return {
    text: lines.join("\n"),
    notes: [],
    inputs: () => inputsOf(flags),
  };
}
