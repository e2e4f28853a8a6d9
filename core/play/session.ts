import type { Action } from "../data/scene.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { cosineSimilarity } from "../metrics/cosine.ts";
import { toTokens } from "../training/window_tokens.ts";
import type { AutoencoderKL } from "../encoders/autoencoder_kl.ts";
import {
  Dream,
  type DreamtFrame,
  type DreamTimes,
  type PlaySettings,
} from "./dream.ts";
import { encodeFrames, FRAME_SIDE } from "./frame_set.ts";
import {
  digestBits,
  type PlayEvent,
  type PlayLog,
  roundAction,
  roundGuidance,
} from "./log.ts";
import { Truth } from "./truth.ts";
import type { PlayedModel } from "./weights.ts";

/** What decides the beginning of a session. */
export interface SessionStart {
  /** Seed of the embedded world. */
  readonly scene: number;
  /** Keyframe of its recorded drive, from 1. */
  readonly start: number;
  /** Seed of the noise. */
  readonly seed: number;
  /** How frames are sampled at first. */
  readonly settings: PlaySettings;
}

/** Half a second of a session. */
export interface PlayedFrame {
  /** Number of the frame, from 1; 0 is the first frame, which is true. */
  readonly number: number;
  /** What was done, normalized. */
  readonly action: Action;
  /** (side, side, 3) levels of the dream. */
  readonly dream: Uint8ClampedArray<ArrayBuffer>;
  /** The same of the truth, while the world goes on. */
  readonly truth?: Uint8Array<ArrayBuffer>;
  /** Cosine similarity of the two frames' latents, over tokens. */
  readonly cosSim?: number;
  /** The same of the frame that the dream was anchored to: a frozen picture. */
  readonly frozenCosSim?: number;
  /** Mean absolute difference of the two frames, levels. */
  readonly pixelError?: number;
  /** Action that the probe reads from the dream. */
  readonly read?: Action;
  /** Frames since the dream saw the truth. */
  readonly sinceAnchor: number;
  /** Milliseconds: in all, drawing the truth, and the dream's parts if timed. */
  readonly times:
    & { readonly all: number; readonly truth: number }
    & Partial<
      DreamTimes
    >;
}

/** Mean absolute difference of two images, levels. */
function meanError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum / a.length;
}

/**
 * A session: a dream in closed loop and, beside it, the embedded world under the
 * same actions. The dream never sees the truth but where it is anchored.
 */
export class Session {
  /** What began it. */
  readonly begun: SessionStart;
  /** The embedded world; absent where an own picture began it. */
  readonly truth: Truth | undefined;
  /** (side, side, 3) levels of the first frame. */
  readonly first: Uint8Array<ArrayBuffer>;
  readonly #gpu: Gpu;
  readonly #played: PlayedModel;
  readonly #vae: AutoencoderKL;
  readonly #dream: Dream;
  readonly #events: PlayEvent[] = [];
  readonly #actions: Action[] = [];
  #settings: PlaySettings;
  #frame = 0;
  #sinceAnchor = 0;
  /** Latents of the frame that the dream was anchored to. */
  #anchor: Float32Array<ArrayBuffer> = new Float32Array();
  /** Latents of the truth now and before. */
  #true: readonly (Float32Array<ArrayBuffer> | undefined)[] = [];

  private constructor(
    gpu: Gpu,
    { played, vae }: SessionParts,
    begun: SessionStart,
    truth: Truth | undefined,
    first: Uint8Array<ArrayBuffer>,
  ) {
    this.#gpu = gpu;
    this.#played = played;
    this.#vae = vae;
    this.#dream = new Dream(gpu, played, vae);
    this.#settings = begun.settings;
    this.begun = begun;
    this.truth = truth;
    this.first = first;
  }

  /**
   * Begins a session in a scene of the embedded world.
   *
   * @param gpu device
   * @param parts model and autoencoder
   * @param begun scene, keyframe, seed, settings
   * @throws {RangeError} if the drive has no such keyframe
   */
  static async begin(
    gpu: Gpu,
    parts: SessionParts,
    begun: SessionStart,
  ): Promise<Session> {
    const truth = new Truth(gpu, begun.scene, begun.start);
    const now = (await truth.drawRecorded(begun.start))!;
    const before = await truth.drawRecorded(begun.start - 1);
    const session = new Session(gpu, parts, begun, truth, now);
    const latents = await session.#encode(now);
    const previous = before === undefined
      ? undefined
      : await session.#encode(before);
    session.#true = [latents, previous];
    session.#anchorTo(latents, previous);
    return session;
  }

  /**
   * Begins a session from a picture; there is no truth beside it.
   *
   * @param gpu device
   * @param parts model and autoencoder
   * @param begun seed and settings; the scene is of no use
   * @param picture (side, side, 3) levels
   */
  static async fromPicture(
    gpu: Gpu,
    parts: SessionParts,
    begun: SessionStart,
    picture: Uint8Array<ArrayBuffer>,
  ): Promise<Session> {
    const session = new Session(gpu, parts, begun, undefined, picture);
    session.#anchorTo(await session.#encode(picture));
    return session;
  }

  #encode(levels: Uint8Array): Promise<Float32Array<ArrayBuffer>> {
    return encodeFrames(this.#gpu, this.#vae, levels, FRAME_SIDE);
  }

  #anchorTo(
    latents: Float32Array<ArrayBuffer>,
    previous?: Float32Array<ArrayBuffer>,
  ): void {
    this.#dream.anchor(latents, previous);
    this.#anchor = latents;
    this.#sinceAnchor = 0;
  }

  /** How frames are sampled. */
  get settings(): PlaySettings {
    return this.#settings;
  }

  /** Frames dreamt. */
  get frame(): number {
    return this.#frame;
  }

  /** Frames since the dream saw the truth. */
  get sinceAnchor(): number {
    return this.#sinceAnchor;
  }

  /** Actions of all frames, in order. */
  get actions(): readonly Action[] {
    return this.#actions;
  }

  /**
   * Changes how later frames are sampled.
   *
   * @param settings steps, guidance
   */
  configure(settings: PlaySettings): void {
    const { steps } = settings;
    const guidance = roundGuidance(settings.guidance);
    if (
      steps === this.#settings.steps && guidance === this.#settings.guidance
    ) {
      return;
    }
    this.#settings = { steps, guidance };
    this.#events.push({ kind: "settings", steps, guidance });
  }

  /**
   * Shows the dream the truth, if there is one.
   *
   * @returns whether it was anchored
   */
  anchor(): boolean {
    const [now, before] = this.#true;
    if (now === undefined) return false;
    this.#anchorTo(now, before);
    this.#events.push({ kind: "anchor" });
    return true;
  }

  /**
   * Goes on by half a second.
   *
   * @param action normalized; absent for the recorded drive's
   * @param isTimed whether the dream's parts are timed, at the cost of a wait
   * @throws {Error} if the device was lost
   */
  async step(action?: Action, isTimed = false): Promise<PlayedFrame> {
    const begin = performance.now();
    const { truth } = this;
    const isRecorded = action === undefined && truth !== undefined;
    const done = roundAction(
      action ?? truth?.recordedAction ?? { steer: 0, accel: 0 },
    );
    truth?.step(isRecorded ? undefined : done);
    const levels = await truth?.draw();
    const drawn = performance.now();
    let parts: DreamTimes | undefined;
    const frame = await this.#dream.step(
      done,
      this.#settings,
      [this.begun.seed, this.#frame],
      {
        ...(levels ? { truth: levels } : {}),
        ...(isTimed ? { timed: (times: DreamTimes) => parts = times } : {}),
      },
    );
    this.#events.push(
      isRecorded ? { kind: "recorded" } : { kind: "step", action: done },
    );
    this.#actions.push(done);
    this.#frame++;
    this.#sinceAnchor++;
    this.#true = [frame.truth, this.#true[0]];
    return {
      number: this.#frame,
      action: done,
      dream: frame.levels,
      ...(levels ? { truth: levels } : {}),
      ...this.#distances(frame, levels),
      ...(frame.read ? { read: frame.read } : {}),
      sinceAnchor: this.#sinceAnchor,
      times: {
        all: performance.now() - begin,
        truth: drawn - begin,
        ...parts,
      },
    };
  }

  #distances(
    { latents, truth, levels }: DreamtFrame,
    seen: Uint8Array | undefined,
  ): Pick<PlayedFrame, "cosSim" | "frozenCosSim" | "pixelError"> {
    if (truth === undefined || seen === undefined) return {};
    const { shape, model } = this.#played;
    const { patch } = model.network.sizes;
    const width = shape[0] * patch * patch;
    const [a, b, anchor] = [latents, truth, this.#anchor].map((frame) =>
      toTokens(frame, shape, patch)
    ) as [Float32Array, Float32Array, Float32Array];
    return {
      cosSim: cosineSimilarity(a, b, width),
      frozenCosSim: cosineSimilarity(anchor, b, width),
      pixelError: meanError(levels, seen),
    };
  }

  /**
   * Futures of the last frame, two seconds ahead, from full left to full right.
   *
   * @param actions held for all steps
   */
  futures(
    actions: readonly Action[],
  ): Promise<Uint8ClampedArray<ArrayBuffer>[]> {
    return this.#dream.futures(
      actions.map(roundAction),
      this.#settings,
      [this.begun.seed, this.#frame],
    );
  }

  /**
   * All that decides the session.
   *
   * @param weights first digits of the digest of the weights
   */
  log(weights: string): PlayLog {
    const { scene, start, seed, settings } = this.begun;
    return {
      scene,
      start,
      seed,
      weights,
      events: [{ kind: "settings", ...settings }, ...this.#events],
      digest: digestBits(this.#dream.latents),
    };
  }

  /** Digest of the last frame's latents. */
  get digest(): string {
    return digestBits(this.#dream.latents);
  }

  /**
   * Does what a log says, up to its next frame.
   *
   * @param event of the log
   * @returns the frame, where the event makes one
   */
  async replay(event: PlayEvent): Promise<PlayedFrame | undefined> {
    switch (event.kind) {
      case "settings":
        this.configure(event);
        return undefined;
      case "anchor":
        this.anchor();
        return undefined;
      case "recorded":
        return await this.step();
      case "step":
        return await this.step(event.action);
    }
  }
}

/** What a session dreams by. */
export interface SessionParts {
  /** Model, statistics, probe. */
  readonly played: PlayedModel;
  /** Of its latents. */
  readonly vae: AutoencoderKL;
}
