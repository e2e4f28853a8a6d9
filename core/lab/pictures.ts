import { FrameLoader } from "../data/frames.ts";
import type { Finding } from "../experiment/findings.ts";
import type { Image } from "../formats/image.ts";
import { encodeApng, encodePng } from "../formats/png.ts";
import { contactSheet } from "../report/contact_sheet.ts";
import { readFrames, spaced } from "./data.ts";
import type { Futures } from "./futures.ts";
import type { Lab } from "./lab.ts";
import type { PartName } from "./latents.ts";

/** Windows whose futures are shown. */
const SHOWN = 4;

/** Milliseconds that a frame of a film is shown. */
const FRAME_TIME = 400;

/**
 * Parts levels into pictures.
 *
 * @param levels (n, size, size, 3)
 * @param size side in pixels
 */
export function imagesOf(levels: Uint8Array, size: number): Image[] {
  const own = size * size * 3;
  return Array.from({ length: levels.length / own }, (_, i) => ({
    width: size,
    height: size,
    data: levels.subarray(i * own, (i + 1) * own),
  }));
}

/** Rounds values in [0, 1] to levels; others are clipped. */
export function levelsOf(pixels: Float32Array): Uint8Array {
  return Uint8Array.from(
    pixels,
    (value) => Math.round(255 * Math.min(1, Math.max(0, value))),
  );
}

/** Screen pixels of a frame's pixel: small frames are shown larger. */
export function zoomOf(size: number): number {
  return size < 128 ? 2 : 1;
}

/**
 * Shows futures of a few evenly spaced windows beside what happened: as a sheet
 * of frames, and moving.
 *
 * @param lab networks and frames
 * @param shown futures by their names; future i is of window i of the part
 * @param part of the dataset
 * @returns `frames` and `rollout`, as findings have them
 */
export async function futurePictures(
  lab: Lab,
  shown: Readonly<Record<string, Futures>>,
  part: PartName = "test",
): Promise<NonNullable<Finding["media"]>> {
  const { horizon, size } = lab.params;
  const { interrupt } = lab.context;
  const [networks, { root, windows, paths, latents }] = [
    await lab.networks(),
    await lab.part(part),
  ];
  using loader = new FrameLoader();
  const decode = async (future: Float32Array) => {
    interrupt.check();
    return imagesOf(levelsOf(await networks.decode(future)), size);
  };
  const rows: { label: string; images: (Image | null)[] }[] = [];
  const films: Image[][][] = [];
  const line = lab.context.progress("decode pictures");
  const chosen = spaced([...windows.keys()], SHOWN);
  line.update({ done: 0, total: chosen.length });
  for (const [done, i] of chosen.entries()) {
    const { row, scene } = windows[i]!;
    const some = paths.slice(row, row + horizon + 1);
    const camera = imagesOf(
      await readFrames(loader, root, some, size, "bicubic"),
      size,
    );
    const real = await decode(latents.read(row + 1, row + 1 + horizon));
    const futures: Image[][] = [];
    for (const of of Object.values(shown)) {
      futures.push(await decode(of.whole(i)));
    }
    rows.push(
      { label: `${scene}: camera`, images: camera },
      { label: "real latents decoded", images: [null, ...real] },
      ...Object.keys(shown).map((label, k) => ({
        label,
        images: [null, ...futures[k]!],
      })),
    );
    films.push([camera.slice(1), ...futures]);
    line.update({ done: done + 1, total: chosen.length });
  }
  line.end();
  const zoom = zoomOf(size);
  const columns = Array.from(
    { length: horizon + 1 },
    (_, i) => i === 0 ? "t" : `t+${i}`,
  );
  const sheet = contactSheet(rows, columns, zoom);
  const names = ["camera", ...Object.keys(shown)];
  const moments = Array.from({ length: horizon }, (_, step) => {
    const grid = films.map((window) => ({
      label: "",
      images: window.map((film) => film[step]!),
    }));
    return contactSheet(grid, names, zoom).image;
  });
  return {
    frames: {
      bytes: encodePng(sheet.image),
      type: "image/png",
      alt: `Frames of ${films.length} windows: ${names.join(", ")}`,
      caption: "Frames of the first step to the last; samples are not chosen.",
      labels: sheet.labels,
    },
    rollout: {
      bytes: encodeApng(moments, FRAME_TIME),
      type: "image/apng",
      alt: `${names.join(", ")} side by side over the horizon`,
      caption: `The same windows moving: ${names.join(", ")}.`,
    },
  };
}
