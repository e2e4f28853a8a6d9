import { takeRows } from "../data/latents.ts";
import type { Finding } from "../experiment/findings.ts";
import type { Image } from "../formats/image.ts";
import { encodePng } from "../formats/png.ts";
import { contactSheet } from "../report/contact_sheet.ts";
import type { Memory } from "./failure_memory.ts";
import type { Lab } from "./lab.ts";
import { pairFutures, type PairSpec } from "./pair.ts";
import { pairPlaces } from "./pair_scores.ts";
import { imagesOf, levelsOf, zoomOf } from "./pictures.ts";

/** Pairs that are shown of each space. */
const SHOWN = 4;

/**
 * Shows the samples that are nearest to a training frame beside that frame: the
 * closest pairs of all, by latents and by features.
 *
 * @param lab latents and networks
 * @param of the pair of models
 * @param found neighbours of its calibrated samples
 * @param step of the horizon, from 0
 * @returns `neighbours`, as findings have them
 */
export async function neighbourPictures(
  lab: Lab,
  of: PairSpec,
  { points, nearest }: Memory,
  step: number,
): Promise<NonNullable<Finding["media"]>> {
  const { size } = lab.params;
  const { decode } = await lab.networks();
  const { latents } = await lab.part("train");
  using pair = await pairFutures(lab, of);
  const places = await pairPlaces(lab, pair, step);
  const show = async (values: Float32Array) =>
    imagesOf(levelsOf(await decode(values)), size);
  const rows: { label: string; images: (Image | null)[] }[] = [];
  for (const space of ["latents", "features"] as const) {
    const distances = points.calibrated!.numbers[space]!;
    const closest = [...distances.keys()]
      .toSorted((a, b) => distances[a]! - distances[b]!).slice(0, SHOWN);
    const fill = Array<null>(SHOWN - closest.length).fill(null);
    const lines: Record<string, Float32Array> = {
      [`closest by ${space}: sample`]: places.points.calibrated!
        .latents(closest),
      "nearest training frame": takeRows(
        latents,
        closest.map((i) => nearest[space][i]!),
      ),
      "what happened": places.at.real(closest),
    };
    for (const [label, values] of Object.entries(lines)) {
      rows.push({ label, images: [...await show(values), ...fill] });
    }
  }
  const columns = Array.from({ length: SHOWN }, (_, k) => `${k + 1}.`);
  const sheet = contactSheet(rows, columns, zoomOf(size));
  return {
    neighbours: {
      bytes: encodePng(sheet.image),
      type: "image/png",
      alt: "Samples beside the training frames that are nearest to them",
      caption: `The ${SHOWN} calibrated samples at t+${
        step + 1
      } that are closest to a training frame, of all test windows: chosen by that, so that a copy would be here. All frames are decoded latents.`,
      labels: sheet.labels,
    },
  };
}
