import { join } from "@std/path";
import type { Share } from "../data/latents.ts";
import type {
  Artifact,
  ArtifactFolder,
  ArtifactSpec,
} from "../experiment/artifact.ts";
import type { StageContext } from "../experiment/experiment.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { WindowTokens } from "../training/window_tokens.ts";
import {
  readTestPart,
  readWindows,
  type WindowedData,
  type WindowPart,
} from "./data.ts";
import { KERNEL_SETS } from "./kernels.ts";
import { openPart, type Part, type PartName } from "./latents.ts";
import { type FrozenNetworks, loadNetworks } from "./networks.ts";
import type { LabParams } from "./params.ts";
import { tunedFiles } from "./tuned.ts";
import {
  drawnWorld,
  drawScenes,
  type WorldName,
  type WorldShare,
} from "./world.ts";

/** What decides an artifact that is made of what the lab opens. */
export interface LabArtifactSpec extends Omit<ArtifactSpec, "by"> {
  /** `import.meta.url` of the module that makes it. */
  readonly by: string;
}

/**
 * What experiments about world models work with on one thread: device, dataset,
 * frozen networks, latents, and what was made of them. Each is opened, or made,
 * when it is first needed.
 */
export class Lab<P extends LabParams = LabParams> implements Disposable {
  /** Of the experiment. */
  readonly context: StageContext<P>;
  readonly #opened: Disposable[] = [];
  readonly #known = new Map<string, Promise<unknown>>();

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

  /** The dataset, cut into windows; the embedded world is drawn if need be. */
  data(): Promise<WindowedData> {
    return this.#once("data", async () => {
      const { flags } = this.context;
      const root = flags.data ?? await this.#world("drive");
      return await readWindows(root, join(flags.cache, "index"), this.params);
    });
  }

  /**
   * Windows of a part; those of fresh scenes are drawn if need be.
   *
   * @param name of the part
   * @throws {TypeError} if there are no fresh scenes
   */
  async windows(name: PartName): Promise<WindowPart> {
    if (name !== "fresh") return (await this.data())[name];
    return await this.#once("fresh", async () => {
      const { params, context: { flags } } = this;
      if (flags.data !== undefined || params.freshScenes === 0) {
        throw new TypeError(
          "Cannot take fresh scenes: they are of the embedded world only, and need --fresh-scenes above 0",
        );
      }
      const root = await this.#world("fresh");
      return await readTestPart(root, join(flags.cache, "index"), params);
    });
  }

  /** Draws the embedded world; meanwhile the kernels of later are compiled. */
  #world(world: WorldName): Promise<string> {
    const title = world === "drive"
      ? "draw the embedded world"
      : "draw fresh scenes";
    return drawnWorld(this.context, async (folder) => {
      const { lanes } = this.context;
      if (lanes === undefined) {
        return await drawShare(this, {
          ...{ world, folder, share: { index: 0, of: 1 } },
        });
      }
      // Smaller shares, so that no lane ends long before the other.
      const of = 2 * lanes.count;
      const draws = Array.from({ length: of }, (_, index) => ({
        stage: "draw",
        input: { world, folder, share: { index, of } } satisfies WorldShare,
      }));
      const compiles = lanes.count === 1 || world === "fresh"
        ? []
        : KERNEL_SETS.map((set) => ({ stage: "compile", input: { set } }));
      const work = draws.flatMap((draw, i) => [
        draw,
        ...compiles.slice(i, i + 1),
      ]);
      return await lanes.all(work, title);
    }, world);
  }

  /** The frozen networks; those of the demo are fine-tuned if need be. */
  networks(): Promise<FrozenNetworks> {
    return this.#once("networks", async () => {
      const files = await tunedFiles(this);
      const { size } = this.params;
      return this.keep(await loadNetworks(this.gpu, size, files));
    });
  }

  /**
   * Windows and latents of a part, which are encoded if need be.
   *
   * @param name of the part
   */
  part(name: PartName): Promise<Part> {
    return this.#once(`part ${name}`, async () => {
      const part = await openPart(this, name);
      this.keep(part.latents);
      return part;
    });
  }

  /**
   * The tokens of a part, normalized by those of training.
   *
   * @param name of the part
   */
  tokens(name: PartName): Promise<WindowTokens> {
    return this.#once(`tokens ${name}`, async () => {
      const { params } = this;
      const part = await this.part(name);
      return new WindowTokens(part, {
        patch: params.patch,
        horizon: params.horizon,
        frequencies: params.frequencies,
        plainActions: params.learnedFrequencies,
        actionOffset: params.actionOffset,
        statistics: name === "train"
          ? part.windows.map(({ row }) => row)
          : (await this.tokens("train")).statistics,
      });
    });
  }

  /**
   * Opens an artifact, or makes it.
   *
   * @param of which
   * @param work as of `Artifacts.make`
   * @throws {Interrupted} if it was asked to stop
   */
  make<T>(
    { by, ...of }: LabArtifactSpec,
    work: (folder: ArtifactFolder) => Promise<T>,
  ): Promise<Artifact<T>> {
    const { artifacts, interrupt, log } = this.context;
    // What its maker is handed by the lab is of this module's sources.
    const made = { ...of, by: [by, import.meta.url] };
    return artifacts.make(made, work, { interrupt, log, remake: true });
  }

  /**
   * Does a work in equal shares: on all lanes where this is the thread that has
   * them, else alone.
   *
   * @param stage that does a share
   * @param input of a share, plain JSON
   * @param title of the progress line
   * @param work what the stage does
   */
  async share<Input, T>(
    stage: string,
    input: (share: Share) => Input,
    title: string,
    work: (lab: Lab, input: Input) => Promise<T>,
  ): Promise<T[]> {
    const { lanes } = this.context;
    if (lanes === undefined) {
      return [await work(this, input({ index: 0, of: 1 }))];
    }
    const of = lanes.count;
    const inputs = Array.from(
      { length: of },
      (_, index) => input({ index, of }),
    );
    const tasks = inputs.map((input) => ({ stage, input }));
    return await lanes.all(tasks, title) as T[];
  }

  /** Closes it with the lab. */
  keep<T extends Disposable>(opened: T): T {
    this.#opened.push(opened);
    return opened;
  }

  /**
   * Ends a work that was asked to stop.
   *
   * @param doing what it did
   * @throws {Interrupted} always
   */
  stop(doing: string): never {
    this.context.interrupt.check();
    throw new Error(`Stopped while ${doing}`);
  }

  #once<T>(name: string, open: () => Promise<T>): Promise<T> {
    const known = this.#known.get(name) as Promise<T> | undefined;
    const value = known ?? open();
    this.#known.set(name, value);
    return value;
  }

  /** Closes what was opened. */
  [Symbol.dispose](): void {
    for (const each of this.#opened) each[Symbol.dispose]();
  }
}

/**
 * Draws a share of the embedded world.
 *
 * @param lab sizes of the world
 * @param work which share, and where it goes
 */
export async function drawShare(
  lab: Lab,
  { world, folder, share }: WorldShare,
): Promise<void> {
  const { gpu, params, interrupt } = lab.context;
  const line = lab.context.progress("draw");
  await drawScenes(gpu, folder, params, {
    world,
    share,
    progress: (done, total) => line.update({ done, total }),
    check: () => interrupt.check(),
  });
}
