import { join } from "@std/path";
import { z } from "zod";
import {
  type CameraTrack,
  clipFrames,
  hasSweeps,
  readCameraTracks,
} from "../data/clips.ts";
import { FrameLoader } from "../data/frames.ts";
import { readNuscenes } from "../data/nuscenes.ts";
import type { Scene } from "../data/scene.ts";
import {
  checkPart,
  describeSplit,
  readSplit,
  splitScenes,
} from "../data/splits.ts";
import type { Encoder } from "../encoders/encoder.ts";
import type { Artifact, ArtifactFolder } from "../experiment/artifact.ts";
import type { StageContext } from "../experiment/experiment.ts";
import { digestFile } from "../formats/digest.ts";
import { readWeights } from "../formats/weights.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { tensor } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { encoderEntries, type EncoderEntry } from "./encoder_entries.ts";
import { encodeAs, type Pooling } from "./pooling.ts";
import { StoredEmbeddings } from "./stored_embeddings.ts";
import { drawnWorld, drawScenes, type WorldShare } from "./world.ts";

/** Parameters of experiments on embeddings of a dataset. */
export const embeddingParams = z.strictObject({
  seeds: z.array(z.int().min(0)).min(1).refine(
    (seeds) => new Set(seeds).size === seeds.length,
    "it needs each seed once",
  ).describe("seeds of what is trained"),
  size: z.int().min(16).describe("side of a frame of the embedded world"),
  trainScenes: z.int().min(1).describe(
    "scenes of the embedded world to train on",
  ),
  testScenes: z.int().min(2).describe(
    "scenes of the embedded world to test on",
  ),
});

/** Validated parameters. */
export type EmbeddingParams = z.infer<typeof embeddingParams>;

/** Parameters of experiments that compare encoders. */
export const benchParams = embeddingParams.safeExtend({
  epochs: z.int().min(1).describe("passes of a probe over the training frames"),
  batch: z.int().min(1).describe("frames of a training step"),
  lr: z.number().positive().describe("learning rate of Adam"),
  dropout: z.number().min(0).max(0.99).describe(
    "share of the probe's hidden layer that is zeroed in training",
  ),
  width: z.int().min(4).describe("width that the probe sees"),
  adapter: z.enum(["trained", "orthogonal"]).describe(
    "how embeddings of another width reach it: trained with the probe, as the published code, or frozen and orthogonal, as the paper writes",
  ),
});

/** Validated parameters. */
export type BenchParams = z.infer<typeof benchParams>;

/** A part of the dataset. */
export type BenchPart = "train" | "test";

/** Embeddings of all keyframes of a part, scene after scene. */
export interface Embeddings {
  /** (N, width) */
  readonly rows: Float32Array<ArrayBuffer>;
  /** Length of a row. */
  readonly width: number;
  /** (N, 2): steering, acceleration */
  readonly actions: Float32Array<ArrayBuffer>;
  /** Scene of each row. */
  readonly scenes: readonly string[];
}

/** Scenes of a dataset with the camera's frames. */
interface BenchData {
  readonly root: string;
  readonly digest: string;
  readonly scenes: Readonly<Record<BenchPart, readonly Scene[]>>;
  readonly tracks: ReadonlyMap<string, CameraTrack>;
  readonly about: string;
}

/** What is known of the embeddings of a part. */
export interface EmbeddingFacts {
  /** Keyframes. */
  readonly frames: number;
  /** Length of a row. */
  readonly width: number;
}

/** File of the rows, float32. */
const ROWS = "rows.f32";

/** Values of frames that are on the device at once: 64 of the stand-ins. */
const VALUES_AT_ONCE = 64 * 64 * 64 * 3;

/** What experiments that compare encoders work with on one thread. */
export class EncoderBench<P extends EmbeddingParams = BenchParams>
  implements Disposable {
  /** Of the experiment. */
  readonly context: StageContext<P>;
  #data: Promise<BenchData> | undefined;
  #stored: Promise<StoredEmbeddings> | undefined;

  /**
   * Opens nothing yet.
   *
   * @param context of the experiment
   */
  constructor(context: StageContext<P>) {
    this.context = context;
  }

  /** Device. */
  get gpu(): Gpu {
    return this.context.gpu;
  }

  /** Validated parameters. */
  get params(): P {
    return this.context.params;
  }

  /** Embeddings that were given instead of a dataset. */
  get stored(): Promise<StoredEmbeddings> | undefined {
    const { embeddings } = this.context.flags.files;
    if (embeddings === undefined) return undefined;
    return this.#stored ??= StoredEmbeddings.open(embeddings);
  }

  /** The dataset; the embedded world is drawn at 12 Hz if need be. */
  data(): Promise<BenchData> {
    return this.#data ??= this.#open();
  }

  async #open(): Promise<BenchData> {
    const { flags } = this.context;
    const root = flags.data ?? await this.#world();
    const dataset = await readNuscenes(root, {
      cache: join(flags.cache, "index"),
    });
    const split = splitScenes(dataset, await readSplit(root));
    for (const part of ["train", "test"] as const) {
      checkPart(root, dataset, split, part);
    }
    const tracks = await readCameraTracks(dataset);
    const sweeping = [...tracks.values()].filter(hasSweeps).length;
    return {
      root,
      digest: dataset.digest,
      scenes: split,
      tracks,
      about: `${
        describeSplit(dataset, split)
      }; ${sweeping} of ${tracks.size} scenes have camera frames between keyframes`,
    };
  }

  #world(): Promise<string> {
    const { context } = this;
    const params = { ...context.params, sceneSweeps: true };
    return drawnWorld({ ...context, params }, async (folder) => {
      const { lanes } = context;
      const of = 2 * (lanes?.count ?? 1);
      const shares = Array.from(
        { length: of },
        (_, index): WorldShare => ({
          world: "drive",
          folder,
          share: { index, of },
        }),
      );
      if (lanes === undefined) {
        for (const share of shares) await this.draw(share);
        return;
      }
      const work = shares.map((input) => ({ stage: "draw", input }));
      await lanes.all(work, "draw the embedded world");
    });
  }

  /**
   * Draws a share of the embedded world.
   *
   * @param work which share, and where it goes
   */
  async draw({ folder, share }: WorldShare): Promise<void> {
    const { gpu, params, context: { interrupt, progress } } = this;
    const line = progress("draw");
    await drawScenes(gpu, folder, { ...params, sceneSweeps: true }, {
      share,
      progress: (done, total) => line.update({ done, total }),
      check: () => interrupt.check(),
    });
  }

  /** The encoders of the run. */
  async entries(): Promise<EncoderEntry[]> {
    return await encoderEntries(this.context.flags.files.weights);
  }

  async #entry(name: string): Promise<EncoderEntry> {
    const entry = (await this.entries()).find((one) => one.name === name);
    if (entry !== undefined) return entry;
    throw new RangeError(
      `Cannot embed by "${name}": the run has no such entry`,
    );
  }

  /**
   * Opens the embeddings of a part, or makes them; stopped or killed, they go
   * on at the scene where they were.
   *
   * @param name of the entry
   * @param part of the dataset
   * @param pooling what is kept; "grid" for single frames only, averaged two by
   *   two where the encoder does not
   * @throws {TypeError} if the encoder has no tokens of a single frame
   * @throws {Interrupted} if it was asked to stop
   */
  async embed(
    name: string,
    part: BenchPart,
    pooling: Pooling = "pooled",
  ): Promise<Artifact<EmbeddingFacts>> {
    const data = await this.data();
    const entry = await this.#entry(name);
    const { artifacts, interrupt, log } = this.context;
    const scenes = data.scenes[part];
    return await artifacts.make(
      {
        kind: "embeddings",
        by: [import.meta.url, new URL("../gpu/gpu.ts", import.meta.url).href],
        spec: {
          encoder: entry.create().name,
          weights: await digestFile(entry.weights),
          frames: { ...entry.frames },
          clip: entry.clip ?? "frame",
          dataset: data.digest,
          scenes: scenes.map((scene) => scene.name),
          ...(pooling === "grid" ? { pooling } : {}),
        },
      },
      (folder) => this.#fill(folder, entry, scenes, pooling),
      {
        interrupt,
        log,
        remake: true,
      },
    );
  }

  async #fill(
    folder: ArtifactFolder,
    entry: EncoderEntry,
    scenes: readonly Scene[],
    pooling: Pooling,
  ): Promise<EmbeddingFacts> {
    const { root, tracks } = await this.data();
    const { gpu, context: { interrupt, progress } } = this;
    using network = entry.create();
    {
      using weights = await readWeights(entry.weights);
      await network.load(gpu, weights);
    }
    const encode = encodeAs(network, pooling);
    using loader = new FrameLoader(1);
    const partial = folder.scratch(ROWS);
    using file = await Deno.open(partial, { write: true, create: true });
    const width = await this.#width(encode, network, entry);
    const bytes = (frames: number) => 4 * width * frames;
    const kept = (await file.stat()).size;
    const line = progress("embed");
    let done = 0;
    for (const [i, scene] of scenes.entries()) {
      line.update({ done: i, total: scenes.length });
      const start = bytes(done);
      done += scene.keyframes.length;
      if (kept >= bytes(done)) continue;
      interrupt.check();
      const track = tracks.get(scene.name)!;
      const rows = await this.#embedScene(
        encode,
        width,
        loader,
        entry,
        root,
        scene,
        track,
      );
      await file.seek(start, Deno.SeekMode.Start);
      const whole = new Uint8Array(rows.buffer);
      for (let at = 0; at < whole.length;) {
        at += await file.write(whole.subarray(at));
      }
    }
    line.end();
    await file.truncate(bytes(done));
    await Deno.rename(partial, folder.file(ROWS));
    return { frames: done, width };
  }

  /** Values of a row: those of one black frame. */
  async #width(
    encode: (frames: Tensor) => Tensor,
    network: Encoder,
    { frames: { side }, clip }: EncoderEntry,
  ): Promise<number> {
    if (clip !== undefined) return network.width;
    using _ = this.gpu.scope();
    const black = new Float32Array(side * side * 3);
    const y = encode(tensor(this.gpu, black, [1, side, side, 3]));
    return (await y.read()).length;
  }

  /** Rows of a scene's keyframes. */
  async #embedScene(
    encode: (frames: Tensor) => Tensor,
    width: number,
    loader: FrameLoader,
    { clip, frames: { side, crop, filter } }: EncoderEntry,
    root: string,
    { keyframes }: Scene,
    track: CameraTrack,
  ): Promise<Float32Array<ArrayBuffer>> {
    const shown = keyframes.map((_, k) =>
      clip === undefined ? [track.keyframes[k]!] : clipFrames(track, k, clip)
    );
    const needed = [...new Set(shown.flat())].sort((a, b) => a - b);
    const paths = needed.map((at) => join(root, track.paths[at]!));
    const levels = new Map<number, Uint8Array>();
    const options = { size: [side, side], crop, filter } as const;
    for await (
      const { index, path, image, error } of loader.load(paths, options)
    ) {
      if (image === undefined) {
        throw new Error(`Cannot read ${path}: ${error ?? "no image"}`);
      }
      levels.set(needed[index]!, image.data);
    }
    const own = side * side * 3;
    const length = shown[0]?.length ?? 1;
    const atOnce = Math.max(1, Math.floor(VALUES_AT_ONCE / (own * length)));
    const rows = new Float32Array(keyframes.length * width);
    for (let start = 0; start < shown.length; start += atOnce) {
      using _ = this.gpu.scope();
      const some = shown.slice(start, start + atOnce);
      const values = new Float32Array(some.length * length * own);
      for (const [i, at] of some.flat().entries()) {
        const frame = levels.get(at)!;
        for (let k = 0; k < own; k++) values[i * own + k] = frame[k]! / 255;
      }
      const shape = clip === undefined
        ? [some.length, side, side, 3]
        : [some.length, length, side, side, 3];
      const y = encode(tensor(this.gpu, values, shape));
      rows.set(await y.read() as Float32Array, start * width);
    }
    return rows;
  }

  /**
   * Reads the embeddings of a part: given ones, or those of this run.
   *
   * @param name of the entry, or of the given file
   * @param part of the dataset
   * @param pooling what is kept of a frame
   */
  async embeddings(
    name: string,
    part: BenchPart,
    pooling: Pooling = "pooled",
  ): Promise<Embeddings> {
    const stored = await this.stored;
    if (stored !== undefined) return await stored.read(name, part);
    const made = await this.embed(name, part, pooling);
    const bytes = await Deno.readFile(made.file(ROWS));
    const frames = (await this.data()).scenes[part].flatMap((scene) =>
      scene.keyframes.map(({ action }) => ({ action, scene: scene.name }))
    );
    return {
      rows: new Float32Array(bytes.buffer),
      width: made.facts.width,
      actions: Float32Array.from(
        frames.flatMap(({ action }) => [action.steer, action.accel]),
      ),
      scenes: frames.map(({ scene }) => scene),
    };
  }

  /** Closes the given embeddings. */
  [Symbol.dispose](): void {
    this.#stored?.then((stored) => stored[Symbol.dispose](), () => {});
  }
}
