import { FrameLoader } from "../data/frames.ts";
import type { Finding } from "../experiment/findings.ts";
import type { Image } from "../formats/image.ts";
import { encodePng } from "../formats/png.ts";
import { encodeGif } from "../report/animation.ts";
import { contactSheet } from "../report/contact_sheet.ts";
import { readFrames, spaced } from "./data.ts";
import type { Lab } from "./lab.ts";
import type { PairSpec } from "./pair.ts";
import { imagesOf, levelsOf, zoomOf } from "./pictures.ts";
import type { Rollout } from "./rollout_chain.ts";
import {
  type RolloutKind,
  rolloutOf,
  type RolloutParams,
  ROLLOUTS,
} from "./rollout_kinds.ts";

/** Scenes that are shown. */
const SHOWN = 3;

/** Kinds that are shown. */
const KINDS = ["direct", "raw", "calibrated", "augmentedCalibrated"] as const;

/** Milliseconds that a frame of an animation is shown: as fast as it was. */
const FRAME_TIME = 500;

/**
 * Shows long roll-outs of a few evenly spaced scenes beside the camera: the ends
 * of chunks of the first scene as a sheet, and all of them moving.
 *
 * @param lab networks and frames
 * @param of the pair of models
 * @returns `ends` and `rollouts`, as findings have them
 */
export async function rolloutPictures(
  lab: Lab<RolloutParams>,
  of: PairSpec,
): Promise<NonNullable<Finding["media"]>> {
  const { horizon, size, chunks } = lab.params;
  const [{ root }, { decode }, { paths }] = [
    await lab.data(),
    await lab.networks(),
    await lab.part("whole"),
  ];
  using open = new DisposableStack();
  using loader = new FrameLoader();
  const rolled: Record<string, Rollout> = {};
  for (const kind of KINDS) {
    rolled[kind] = open.use(await rolloutOf(lab, of, kind));
  }
  const { windows, reach } = rolled.direct!;
  // The longest roll-outs that some window has.
  const steps = Array.from({ length: chunks * horizon }, (_, step) => step)
    .filter((step) => reach(step).length > 0);
  const some = spaced(reach(steps.length - 1), SHOWN);
  const names = ["Camera", ...KINDS.map((kind) => ROLLOUTS[kind])];
  const films: { label: string; images: Image[][] }[] = [];
  const line = lab.context.progress("decode pictures");
  for (const [k, i] of some.entries()) {
    lab.context.interrupt.check();
    line.update({ done: k, total: some.length });
    const { row, scene } = windows[i]!;
    const frames = paths.slice(row + 1, row + 1 + steps.length);
    const camera = await readFrames(loader, root, frames, size, "bicubic");
    const images = [imagesOf(camera, size)];
    for (const kind of KINDS as readonly RolloutKind[]) {
      const film: Image[] = [];
      for (const step of steps) {
        const levels = levelsOf(await decode(rolled[kind]!.at([i], step)));
        film.push(...imagesOf(levels, size));
      }
      images.push(film);
    }
    films.push({ label: scene, images });
  }
  line.end();
  const zoom = zoomOf(size);
  const ends = steps.filter((step) => (step + 1) % horizon === 0);
  const [first] = films;
  const sheet = contactSheet(
    names.map((label, n) => ({
      label: n === 0 ? `${first!.label}: ${label}` : label,
      images: ends.map((step) => first!.images[n]![step]!),
    })),
    ends.map((step) => `t+${step + 1}`),
    zoom,
  );
  const moments = steps.map((step) =>
    contactSheet(
      films.map(({ label, images }) => ({
        label,
        images: images.map((film) => film[step]!),
      })),
      names,
      zoom,
    )
  );
  return {
    rollouts: {
      bytes: encodeGif(moments.map(({ image }) => image), FRAME_TIME),
      type: "image/gif",
      alt: `Roll-outs of ${films.length} scenes: ${names.join(", ")}`,
      caption:
        `Roll-outs to t+${steps.length}, each chunk of ${horizon} steps from the last frame of the one before, with the recorded actions. Scenes are not chosen.`,
      labels: moments[0]!.labels,
    },
    ends: {
      bytes: encodePng(sheet.image),
      type: "image/png",
      alt: `The last frame of each chunk of one scene: ${names.join(", ")}`,
      caption: "The last frame of each chunk of the first of these scenes.",
      labels: sheet.labels,
    },
  };
}
