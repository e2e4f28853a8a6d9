import { FrameLoader } from "../data/frames.ts";
import type { Finding } from "../experiment/findings.ts";
import type { Image } from "../formats/image.ts";
import { encodePng } from "../formats/png.ts";
import { encodeGif } from "../report/animation.ts";
import { contactSheet } from "../report/contact_sheet.ts";
import { formatNumber } from "../report/table.ts";
import { readFrames, spaced } from "./data.ts";
import type { Lab } from "./lab.ts";
import { imagesOf, levelsOf, zoomOf } from "./pictures.ts";
import { firstWindows, sweepFutures, type SweepKind } from "./sweep.ts";
import { sweepTitle } from "./sweep_results.ts";
import { type SweepParams, sweepSpec } from "./sweep_run.ts";

/** Windows whose futures are shown. */
const SHOWN = 4;

/** Milliseconds that a frame of an animation is shown. */
const FRAME_TIME = 500;

/**
 * Shows sweeps of a few evenly spaced windows: the last frame of the leftmost,
 * the middle and the rightmost steering as a sheet, and all futures of one
 * sweep side by side, moving. Steering is positive to the left.
 *
 * @param lab networks and frames
 * @param kinds models that are shown; the last one moves
 * @returns `counterfactuals` and `sweep`, as findings have them
 */
export async function sweepPictures(
  lab: Lab<SweepParams>,
  kinds: readonly SweepKind[],
): Promise<NonNullable<Finding["media"]>> {
  const { horizon, size, values, sweeps } = lab.params;
  const [{ root }, networks, { windows, paths }] = [
    await lab.data(),
    await lab.networks(),
    await lab.part("test"),
  ];
  const last = values.length - 1;
  const columns = [last, Math.floor(values.length / 2), 0];
  const swept = firstWindows(windows, sweeps);
  const some = spaced([...swept.keys()], SHOWN);
  using loader = new FrameLoader();
  const camera = async (row: number) => {
    const one = [paths[row]!];
    return imagesOf(
      await readFrames(loader, root, one, size, "bicubic"),
      size,
    )[0]!;
  };
  const decode = async (latents: Float32Array) => {
    lab.context.interrupt.check();
    return imagesOf(levelsOf(await networks.decode(latents)), size);
  };
  const rows: { label: string; images: (Image | null)[] }[] = [];
  const films: { label: string; frames: Image[][] }[] = [];
  for (const [n, kind] of kinds.entries()) {
    const name = sweepTitle(kind);
    using futures = await sweepFutures(lab, sweepSpec(lab.params, kind));
    for (const [j, i] of some.entries()) {
      const { row, scene } = swept[i]!;
      const present = await camera(row);
      const draws = columns.map((k) => i * values.length + k);
      rows[j * kinds.length + n] = {
        label: n === 0 ? `${scene}: ${name}` : name,
        images: [
          ...(n === 0 ? [present, await camera(row + horizon)] : [null, null]),
          ...await decode(futures.at(draws, horizon - 1)),
        ],
      };
      if (n < kinds.length - 1) continue;
      const frames: Image[][] = [];
      for (let k = last; k >= 0; k--) {
        const future = await decode(futures.whole(i * values.length + k));
        frames.push([present, ...future]);
      }
      films.push({ label: scene, frames });
    }
  }
  const zoom = zoomOf(size);
  const steer = (k: number) => formatNumber(values[k]!);
  const [left, middle, right] = columns.map(steer);
  const sheet = contactSheet(rows, [
    "t",
    `t+${horizon}, camera`,
    `left, ${left}`,
    `middle, ${middle}`,
    `right, ${right}`,
  ], zoom);
  const sides = Array.from({ length: last + 1 }, (_, k) => steer(last - k));
  const moments = Array.from({ length: horizon + 1 }, (_, step) =>
    contactSheet(
      films.map(({ label, frames }) => ({
        label,
        images: frames.map((film) => film[step]!),
      })),
      sides,
      zoom,
    ));
  return {
    counterfactuals: {
      bytes: encodePng(sheet.image),
      type: "image/png",
      alt: `Last frames of ${some.length} windows by steering: ${
        kinds.map(sweepTitle).join(", ")
      }`,
      caption:
        `The last frame, t+${horizon}, if the steering were another one; in a row all else is equal. Windows are not chosen.`,
      labels: sheet.labels,
    },
    sweep: {
      bytes: encodeGif(moments.map(({ image }) => image), FRAME_TIME),
      type: "image/gif",
      alt:
        `Futures of ${some.length} windows, ${values.length} steerings side by side`,
      caption: `${
        sweepTitle(kinds.at(-1)!)
      }: the same windows moving, from the present on; steering from left to right.`,
      labels: moments[0]!.labels,
    },
  };
}
