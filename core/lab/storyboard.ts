/**
 * Scenes step by step: what the camera saw, and what each model predicts, under
 * the recorded actions or under those of a driven session.
 *
 * @module
 */

import { FrameLoader } from "../data/frames.ts";
import { calibrate } from "../diffusion/calibration.ts";
import { nearest, UsageError } from "../experiment/flags.ts";
import type { Image } from "../formats/image.ts";
import { key } from "../tensor/philox.ts";
import { calibrations } from "./channel_calibration.ts";
import { drivenFrames } from "./counterfactual.ts";
import { type LabWindow, readFrames, spaced } from "./data.ts";
import type { DriveLog } from "./drive_log.ts";
import { futures, windowNoise } from "./futures.ts";
import { jumpChains } from "./jump_chains.ts";
import { type JumpLabParams, jumpSteps, jumpStride } from "./jump_params.ts";
import type { Lab } from "./lab.ts";
import type { PartName } from "./latents.ts";
import type { Mode } from "./models.ts";
import { modelOf, pairFuture, type PairSpec } from "./pair.ts";
import { imagesOf, levelsOf } from "./pictures.ts";
import { firstWindows, recordedActions } from "./sweep.ts";

/** A scene that is shown. */
export interface Story {
  /** The window that it begins with. */
  readonly window: LabWindow;
  /** Part of the dataset that the window is of. */
  readonly part: PartName;
  /** (n, 2) normalized; those of a session may be more than the horizon. */
  readonly actions: Float32Array<ArrayBuffer>;
  /** Whether they are those of a driven session. */
  readonly isDriven: boolean;
}

/** Frames of a story by one predictor; null where it has none. */
export interface Film {
  /** Who predicts. */
  readonly label: string;
  /** (n + 1), from the present on. */
  readonly frames: readonly (Image | null)[];
}

/** Names of a few scenes, for messages. */
function someOf(names: readonly string[]): string {
  return `${names.slice(0, 3).join(", ")}${names.length > 3 ? ", ..." : ""}`;
}

/**
 * Chooses the stories of a run: named scenes, or else some by chance.
 *
 * @param lab test windows
 * @param choice names; how many by chance, and the seed of it
 * @throws {UsageError} naming some scenes, if one is none of the test scenes
 */
export async function chooseStories(
  lab: Lab,
  { scenes, shown, pick }: {
    readonly scenes: readonly string[];
    readonly shown: number;
    readonly pick: number;
  },
): Promise<Story[]> {
  const part = await lab.part("test");
  const all = firstWindows(part.windows, Infinity);
  const names = all.map(({ scene }) => scene);
  const missing = scenes.find((name) => !names.includes(name));
  if (missing !== undefined) {
    throw new UsageError(
      `Cannot show scene "${missing}": it is none of ${names.length} test scenes with windows, which are ${
        someOf(names)
      }; did you mean ${nearest(missing, names)}?`,
    );
  }
  const order = [...key("stories", pick).permutation(all.length)];
  const chosen = scenes.length > 0
    ? scenes.map((name) => names.indexOf(name))
    : order.slice(0, shown).sort((a, b) => a - b);
  return chosen.map((i): Story => ({
    window: all[i]!,
    part: "test",
    actions: recordedActions(part, all[i]!, lab.params),
    isDriven: false,
  }));
}

/**
 * Takes up a driven session.
 *
 * @param lab windows of the test scenes
 * @param log of the session
 * @throws {UsageError} naming what there is, if it began nowhere
 */
export async function drivenStory(lab: Lab, log: DriveLog): Promise<Story> {
  const { windows } = await lab.part("whole");
  const own = windows.filter(({ scene }) => scene === log.scene);
  if (own.length === 0) {
    const names = [...new Set(windows.map(({ scene }) => scene))];
    throw new UsageError(
      `Cannot drive in scene "${log.scene}": it is none of ${names.length} test scenes with windows, which are ${
        someOf(names)
      }; did you mean ${nearest(log.scene, names)}?`,
    );
  }
  const window = own.find(({ start }) => start === log.start);
  if (window === undefined) {
    throw new UsageError(
      `Cannot drive from keyframe ${log.start} of "${log.scene}": its windows begin at ${
        own[0]!.start
      } to ${own.at(-1)!.start}`,
    );
  }
  return {
    window,
    part: "whole",
    actions: Float32Array.from(log.actions.flat()),
    isDriven: true,
  };
}

/** Latents of each step of a story; null where there are none. */
type Steps = (Float32Array | null)[];

/** Cuts (n, channels, height, width) into frames. */
function framesOf(latents: Float32Array, size: number): Float32Array[] {
  return Array.from(
    { length: latents.length / size },
    (_, i) => latents.subarray(i * size, (i + 1) * size),
  );
}

/** Pairs of actions from some step on, the last one held to the end. */
function heldFrom(
  actions: Float32Array,
  first: number,
  count: number,
): Float32Array<ArrayBuffer> {
  const last = actions.length / 2 - 1;
  return Float32Array.from({ length: 2 * count }, (_, i) => {
    const step = Math.min(last, first + Math.floor(i / 2));
    return actions[2 * step + i % 2]!;
  });
}

/** What a model predicts step by step; beyond the horizon from its own end. */
async function predicted(
  lab: Lab,
  of: PairSpec,
  story: Story,
  mode: Mode,
  kind: "direct" | "raw" | "guided" | "mlp",
): Promise<Steps> {
  const { horizon, guidance } = lab.params;
  const { window, part: name, actions } = story;
  const part = await lab.part(name);
  const size = part.shape.reduce((a, b) => a * b, 1);
  if (!story.isDriven) {
    using made = await pairFuture(lab, of, kind);
    const i = part.windows.findIndex(({ id }) => id === window.id);
    return framesOf(made.whole(i), size);
  }
  const steps: Float32Array[] = [];
  while (steps.length < actions.length / 2) {
    const done = steps.length;
    const present = steps.at(-1);
    using made = await futures(lab, {
      model: modelOf(of, mode),
      part: name,
      ...(kind === "guided" ? { guidance } : {}),
      draws: [{
        window,
        noise: windowNoise("driven session", of.seed, window, done),
        actions: heldFrom(actions, done, horizon),
        ...(present === undefined
          ? {}
          : { present: Float32Array.from(present) }),
      }],
    });
    steps.push(...framesOf(made.whole(0), size));
  }
  return steps.slice(0, actions.length / 2);
}

/** What chained jumps lead to; null between them. */
async function jumped(
  lab: Lab<JumpLabParams>,
  of: PairSpec,
  { window, part, actions, isDriven }: Story,
): Promise<Steps> {
  const count = actions.length / 2;
  const stride = jumpStride(lab.params);
  const links = Math.ceil(count / stride);
  using made = await jumpChains(lab, {
    model: { mode: "direct", recipe: "paper", seed: of.seed },
    part,
    draws: [{
      window,
      ...(isDriven ? { actions: heldFrom(actions, 0, links * stride) } : {}),
    }],
    ...(isDriven ? { links } : {}),
  });
  const steps = isDriven
    ? Array.from({ length: links }, (_, i) => (i + 1) * stride - 1)
    : jumpSteps(lab.params);
  return Array.from({ length: count }, (_, step) => {
    const link = steps.indexOf(step);
    return link < 0 ? null : made.at([0], link);
  });
}

/**
 * Shows a story as the camera, the autoencoder, every model and a copy of the
 * present have it.
 *
 * @param lab networks and frames
 * @param of pair of models; the jump model is of the same seed
 * @param story which; its futures are predicted if need be
 * @throws {Interrupted} if it was asked to stop
 */
export async function filmsOf(
  lab: Lab<JumpLabParams>,
  of: PairSpec,
  story: Story,
): Promise<Film[]> {
  const { horizon, size, guidance } = lab.params;
  const { interrupt, flags } = lab.context;
  const [{ root }, networks, part] = [
    await lab.data(),
    await lab.networks(),
    await lab.part(story.part),
  ];
  const { window: { row, scene }, actions } = story;
  const count = actions.length / 2;
  // The recorded drive ends with its scene.
  const rows = Array.from({ length: count + 1 }, (_, i) => row + i)
    .filter((i) => part.frameScenes[i] === part.frameScenes[row]);
  using loader = new FrameLoader();
  const camera = imagesOf(
    await readFrames(
      loader,
      root,
      rows.map((i) => part.paths[i]!),
      size,
      "bicubic",
    ),
    size,
  );
  const padded = (frames: readonly (Image | null)[]) =>
    Array.from({ length: count + 1 }, (_, i) => frames[i] ?? null);
  const decoded = async (label: string, steps: Steps): Promise<Film> => {
    const frames: (Image | null)[] = [null];
    for (const latents of steps) {
      interrupt.check();
      frames.push(
        latents === null
          ? null
          : imagesOf(levelsOf(await networks.decode(latents)), size)[0]!,
      );
    }
    return { label, frames: padded(frames) };
  };
  const raw = await predicted(lab, of, story, "diffusion", "raw");
  const [, height, width] = part.shape;
  using samples = await pairFuture(lab, of, "calibration");
  const training = spaced(
    (await lab.part("train")).windows,
    lab.params.calibrationWindows,
  );
  const statistics = await calibrations(lab, samples, training);
  const calibrated: Steps = raw.map((latents, step) => {
    const { deployed, target } = statistics[step % horizon]!;
    return calibrate(latents!, deployed, target, height * width);
  });
  const real = rows.slice(1).map((i) => part.latents.read(i, i + 1));
  const driven = story.isDriven && flags.data === undefined
    ? [{
      label: "Driven anew",
      frames: padded([
        camera[0]!,
        ...imagesOf(
          await drivenFrames(lab, scene, part.paths[row]!, actions),
          size,
        ),
      ]),
    }]
    : [];
  const present = part.latents.read(row, row + 1);
  const model = async (
    label: string,
    mode: Mode,
    kind: "direct" | "guided" | "mlp",
  ) => await decoded(label, await predicted(lab, of, story, mode, kind));
  return [
    {
      label: story.isDriven ? "Camera, as recorded" : "Camera",
      frames: padded(camera),
    },
    ...driven,
    await decoded("Real latents decoded (ceiling)", real),
    await model("Direct regression", "direct", "direct"),
    await decoded("Diffusion, calibrated", calibrated),
    await model(`Diffusion, guided by ${guidance}`, "diffusion", "guided"),
    await model("MLP baseline", "mlp", "mlp"),
    await decoded("Jump model", await jumped(lab, of, story)),
    await decoded(
      "Copy of the present",
      Array.from({ length: count }, () => present),
    ),
  ];
}
