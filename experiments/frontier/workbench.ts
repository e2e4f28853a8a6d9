import { join } from "@std/path";
import { digestText } from "../../core/experiment/run_directory.ts";
import {
  type TokenStatistics,
  WindowTokens,
} from "../../core/training/window_tokens.ts";
import {
  type EncodedPart,
  openPart,
  type PartLatents,
  type PreparedData,
  readWindows,
  type WindowedData,
  worldFolder,
} from "./data.ts";
import { type FrozenNetworks, loadNetworks } from "./networks.ts";
import type { Context, FrontierParams } from "./params.ts";
import { weightFiles } from "./tune.ts";

/** Windows of a part, whose tokens are normalized by those of training. */
function tokensOf(
  params: FrontierParams,
  frames: EncodedPart,
  statistics: TokenStatistics | readonly number[],
): WindowTokens {
  return new WindowTokens(frames, {
    patch: params.patch,
    horizon: params.horizon,
    frequencies: params.frequencies,
    plainActions: params.learnedFrequencies,
    actionOffset: params.actionOffset,
    statistics,
  });
}

/**
 * What the stages of a run share on one thread: the dataset, the networks on
 * the thread's device, the latents. Each is opened when it is first needed.
 */
export class Workbench implements Disposable {
  readonly #context: Context;
  #data: Promise<WindowedData> | undefined;
  #networks: Promise<FrozenNetworks> | undefined;
  #prepared: Promise<PreparedData> | undefined;
  readonly #opened: Disposable[] = [];

  /**
   * Creates it; nothing is opened.
   *
   * @param context of the experiment
   */
  constructor(context: Context) {
    this.#context = context;
  }

  /** The dataset; the embedded world must be drawn. */
  data(): Promise<WindowedData> {
    const { params, flags } = this.#context;
    const folder = flags.data ?? worldFolder(flags.cache, params);
    return this.#data ??= readWindows(
      folder,
      join(flags.cache, "index"),
      params,
    );
  }

  /** The frozen networks; those that are fine-tuned must be. */
  networks(): Promise<FrozenNetworks> {
    return this.#networks ??= this.#keep(loadNetworks(
      this.#context.gpu,
      this.#context.params.size,
      weightFiles(this.#context),
    ));
  }

  /**
   * Where the latents of a part are.
   *
   * @param name train or test
   */
  async part(name: "train" | "test"): Promise<PartLatents> {
    const { params, flags } = this.#context;
    const [data, networks] = [await this.data(), await this.networks()];
    const { size } = params;
    const part = data[name];
    const digest = await digestText(
      `${data.digest} ${networks.vaeDigest} ${size}`,
    );
    const folder = `${digest.slice(0, 12)}-${name}-${part.paths.length}`;
    const directory = join(flags.cache, "latents", folder);
    return { data, part, networks, size, directory };
  }

  /** Latents and windows; the frames must be encoded. */
  prepared(): Promise<PreparedData> {
    return this.#prepared ??= this.#prepare();
  }

  async #prepare(): Promise<PreparedData> {
    const { params } = this.#context;
    const [data, networks] = [await this.data(), await this.networks()];
    const train = await openPart(await this.part("train"));
    const test = await openPart(await this.part("test"));
    this.#opened.push(train.latents, test.latents);
    const tokens = tokensOf(params, train, data.train.rows);
    return {
      data,
      networks,
      train: { frames: train, tokens },
      test: {
        frames: test,
        tokens: tokensOf(params, test, tokens.statistics),
      },
    };
  }

  async #keep<T extends Disposable>(opening: Promise<T>): Promise<T> {
    const value = await opening;
    this.#opened.push(value);
    return value;
  }

  /** Closes what was opened. */
  [Symbol.dispose](): void {
    for (const each of this.#opened) each[Symbol.dispose]();
  }
}
