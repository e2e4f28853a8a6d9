import { join } from "@std/path";
import { CLIP_FRAMES, clipFrames, type ClipSource } from "../data/clips.ts";
import { FrameLoader } from "../data/frames.ts";
import type { Finding } from "../experiment/findings.ts";
import type { Image } from "../formats/image.ts";
import { encodeApng, encodePng } from "../formats/png.ts";
import { contactSheet } from "../report/contact_sheet.ts";
import type { EncoderBench } from "./encoder_bench.ts";
import { zoomOf } from "./pictures.ts";

/** Side of a frame in the pictures, in pixels. */
const SIDE = 64;

/** Milliseconds that a frame of a clip is shown: 12 Hz. */
const FRAME_TIME = 83;

/** Clips as they are called, by what they are made of. */
const SOURCES: Readonly<Record<ClipSource, string>> = {
  sweeps: "camera frames at 12 Hz",
  keyframes: "keyframes, as published",
  still: "one frame",
};

/**
 * Shows the clips that end at one keyframe in the middle of the first test
 * scene: what the video encoder sees.
 *
 * @param bench its dataset
 * @returns a sheet of frames, and the clips moving
 */
export async function clipPictures(
  bench: EncoderBench,
): Promise<NonNullable<Finding["media"]>> {
  const { root, scenes, tracks } = await bench.data();
  const [scene] = scenes.test;
  if (scene === undefined) return {};
  const track = tracks.get(scene.name)!;
  const keyframe = Math.floor(scene.keyframes.length / 2);
  const kinds = Object.keys(SOURCES) as ClipSource[];
  const clips = kinds.map((source) => clipFrames(track, keyframe, source));
  using loader = new FrameLoader(1);
  const paths = clips.flat().map((at) => join(root, track.paths[at]!));
  const images: Image[] = [];
  const options = {
    size: [SIDE, SIDE],
    crop: "none",
    filter: "bilinear",
  } as const;
  for await (const { path, image, error } of loader.load(paths, options)) {
    if (image === undefined) {
      throw new Error(`Cannot read ${path}: ${error ?? "no image"}`);
    }
    images.push(image);
  }
  const films = kinds.map((_, i) =>
    images.slice(i * CLIP_FRAMES, (i + 1) * CLIP_FRAMES)
  );
  const titles = kinds.map((kind) => SOURCES[kind]);
  const sheet = contactSheet(
    films.map((film, i) => ({ label: titles[i]!, images: film })),
    Array.from({ length: CLIP_FRAMES }, (_, i) => `${i + 1 - CLIP_FRAMES}`),
  );
  const moments = Array.from({ length: CLIP_FRAMES }, (_, i) =>
    contactSheet(
      [{ label: "", images: films.map((film) => film[i]!) }],
      titles,
      zoomOf(SIDE),
    ).image);
  const of = `${scene.name}, keyframe ${keyframe}`;
  return {
    clips: {
      bytes: encodePng(sheet.image),
      type: "image/png",
      alt: `16 frames each: ${titles.join(", ")}`,
      caption: `What the video encoder sees before one keyframe: ${of}.`,
      labels: sheet.labels,
    },
    moving: {
      bytes: encodeApng(moments, FRAME_TIME),
      type: "image/apng",
      alt: `The clips side by side, moving: ${titles.join(", ")}`,
      caption: `The same clips at their speed: ${titles.join(", ")}.`,
    },
  };
}
