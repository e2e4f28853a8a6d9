import { FrameLoader } from "../data/frames.ts";
import type { Finding } from "../experiment/findings.ts";
import type { Image } from "../formats/image.ts";
import { encodeGif } from "../report/animation.ts";
import { contactSheet } from "../report/contact_sheet.ts";
import { formatNumber } from "../report/table.ts";
import { readFrames, spaced } from "./data.ts";
import { midpoints, targetFutures } from "./inverse.ts";
import type { InverseScores } from "./inverse_scores.ts";
import {
  type InverseFound,
  type InverseParams,
  specOf,
} from "./inverse_run.ts";
import type { Lab } from "./lab.ts";
import { imagesOf, levelsOf, zoomOf } from "./pictures.ts";
import { firstWindows } from "./sweep.ts";

/** Scenes that are shown. */
const SHOWN = 4;

/** Milliseconds that a frame of an animation is shown. */
const FRAME_TIME = 500;

/**
 * Shows the futures whose steering is told: of a few evenly spaced scenes, moving
 * from the present on, with what was told by whole-pixel shifts.
 *
 * @param lab networks and frames
 * @param found of one recipe; shown is diffusion, w 1
 * @param scores of it
 * @returns `told`, as findings have it
 */
export async function inversePictures(
  lab: Lab<InverseParams>,
  { rows }: InverseFound,
  scores: InverseScores,
): Promise<NonNullable<Finding["media"]>> {
  const { params } = lab;
  const { horizon, size, values, inverseScenes } = params;
  const n = rows.findIndex(({ name }) => name === "diffusion-1");
  const { kind, title } = rows[n]!;
  const inverted = scores.rows[n]!.inverted.shift;
  const [{ root }, networks, { windows, paths }] = [
    await lab.data(),
    await lab.networks(),
    await lab.part("test"),
  ];
  const all = firstWindows(windows, inverseScenes);
  const some = spaced([...all.keys()], SHOWN);
  using loader = new FrameLoader();
  using made = await targetFutures(lab, specOf(params, kind), inverseScenes);
  const films: { label: string; frames: Image[][] }[] = [];
  for (const i of some) {
    lab.context.interrupt.check();
    const { row, scene } = all[i]!;
    const some = paths.slice(row, row + horizon + 1);
    const camera = imagesOf(
      await readFrames(loader, root, some, size, "bicubic"),
      size,
    );
    const frames: Image[][] = [];
    // The recorded actions stand last, and are shown first.
    const own = values.map((_, k) => i * values.length + k);
    for (const k of [own.at(-1)!, ...own.slice(0, -1)]) {
      const pixels = await networks.decode(made.whole(k));
      frames.push([camera[0]!, ...imagesOf(levelsOf(pixels), size)]);
    }
    const told = inverted[i]?.told;
    const list = told === undefined
      ? "nothing responds"
      : [told.at(-1)!, ...told.slice(0, -1)]
        .map((value) => formatNumber(value, 2)).join(", ");
    films.push({
      label: `${scene}; told: ${list}`,
      frames: [camera, ...frames],
    });
  }
  const columns = [
    "camera",
    "recorded actions",
    ...midpoints(values).map((value) => `steer ${formatNumber(value, 2)}`),
  ];
  const moments = Array.from(
    { length: horizon + 1 },
    (_, frame) =>
      contactSheet(
        films.map(({ label, frames }) => ({
          label,
          images: frames.map((film) => film[frame]!),
        })),
        columns,
        zoomOf(size),
      ),
  );
  return {
    told: {
      bytes: encodeGif(moments.map(({ image }) => image), FRAME_TIME),
      type: "image/gif",
      alt: `Futures of ${films.length} scenes by the steering to be told`,
      caption:
        `${title}: futures whose steering is told, and what was told by whole-pixel shifts, of recorded actions first. Scenes are not chosen.`,
      labels: moments[0]!.labels,
    },
  };
}
