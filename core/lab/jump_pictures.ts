import { FrameLoader } from "../data/frames.ts";
import type { Finding } from "../experiment/findings.ts";
import type { Image } from "../formats/image.ts";
import { encodePng } from "../formats/png.ts";
import { encodeGif } from "../report/animation.ts";
import { contactSheet } from "../report/contact_sheet.ts";
import { readFrames, spaced } from "./data.ts";
import { type JumpSource, linkLatents } from "./jump_motion.ts";
import { type JumpLabParams, jumpSteps } from "./jump_params.ts";
import type { Lab } from "./lab.ts";
import { imagesOf, levelsOf, zoomOf } from "./pictures.ts";

/** Windows whose chains are shown. */
const SHOWN = 3;

/** Milliseconds that a frame of an animation is shown. */
const FRAME_TIME = 500;

/**
 * Shows chains of a few evenly spaced test windows beside what happened, as in
 * Figure 8: as a strip from the present to the last jump, and moving.
 *
 * @param lab networks and frames
 * @param sources of the frames by title
 * @returns `figure8` and `chain`, as findings have them
 */
export async function jumpPictures(
  lab: Lab<JumpLabParams>,
  sources: Readonly<Record<string, JumpSource>>,
): Promise<NonNullable<Finding["media"]>> {
  const { size } = lab.params;
  const steps = jumpSteps(lab.params);
  const [{ root }, networks, { windows, paths }] = [
    await lab.data(),
    await lab.networks(),
    await lab.part("test"),
  ];
  using loader = new FrameLoader();
  const some = spaced([...windows.keys()], SHOWN);
  const camera = async (rows: readonly number[]) =>
    imagesOf(
      await readFrames(
        loader,
        root,
        rows.map((row) => paths[row]!),
        size,
        "bicubic",
      ),
      size,
    );
  const films: Image[][][] = [];
  for (const i of some) {
    const { row } = windows[i]!;
    films.push([await camera([row, ...steps.map((step) => row + 1 + step)])]);
  }
  for (const source of Object.values(sources)) {
    using latents = await linkLatents(lab, source, "test");
    for (const [k, i] of some.entries()) {
      const frames: Image[] = [];
      for (const link of steps.keys()) {
        lab.context.interrupt.check();
        const pixels = await networks.decode(latents.at([i], link));
        frames.push(...imagesOf(levelsOf(pixels), size));
      }
      films[k]!.push([films[k]![0]![0]!, ...frames]);
    }
  }
  const titles = ["camera", ...Object.keys(sources)];
  const rows = films.flatMap((window, k) =>
    window.map((frames, n) => ({
      label: n === 0 ? `${windows[some[k]!]!.scene}: camera` : titles[n]!,
      images: n === 0 ? frames : [null, ...frames.slice(1)],
    }))
  );
  const zoom = zoomOf(size);
  const sheet = contactSheet(
    rows,
    ["t", ...steps.map((step) => `t+${step + 1}`)],
    zoom,
  );
  const moments = [0, ...steps.map((step) => step + 1)].map((_, frame) =>
    contactSheet(
      films.map((window, k) => ({
        label: windows[some[k]!]!.scene,
        images: window.map((frames) => frames[frame]!),
      })),
      titles,
      zoom,
    )
  );
  return {
    figure8: {
      bytes: encodePng(sheet.image),
      type: "image/png",
      alt: `Frames along the chain of ${some.length} windows: ${
        titles.join(", ")
      }`,
      caption:
        "Figure 8: the present, and the frame that each jump leads to. Windows are not chosen.",
      labels: sheet.labels,
    },
    chain: {
      bytes: encodeGif(moments.map(({ image }) => image), FRAME_TIME),
      type: "image/gif",
      alt: `${titles.join(", ")} side by side along the chain`,
      caption:
        "The same windows moving, from the present on: the first frame of each is the camera's.",
      labels: moments[0]!.labels,
    },
  };
}
