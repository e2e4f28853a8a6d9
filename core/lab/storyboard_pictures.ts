/**
 * Stories as sheets, films, and pages that flip between predictions.
 *
 * @module
 */

import { measuredAction } from "../data/scene.ts";
import type { Finding } from "../experiment/findings.ts";
import type { Image } from "../formats/image.ts";
import { encodePng } from "../formats/png.ts";
import { encodeGif } from "../report/animation.ts";
import { type ContactRow, contactSheet } from "../report/contact_sheet.ts";
import { dashboard, enlarge } from "../report/dashboard.ts";
import { flipPage } from "../report/flip_page.ts";
import { zoomOf } from "./pictures.ts";
import type { Film, Story } from "./storyboard.ts";

/** Milliseconds that a frame of an animation is shown. */
const FRAME_TIME = 500;

/** Acceleration that fills the bar of a dashboard, m/s^2. */
const FULL_BAR = 5;

/** A story with its films. */
export interface FilmedStory {
  /** Which. */
  readonly story: Story;
  /** Frames by predictor. */
  readonly films: readonly Film[];
}

/** What is done before each moment, in units; null before the first one. */
function actionsOf({ actions }: Story) {
  return [
    null,
    ...Array.from(
      { length: actions.length / 2 },
      (_, i) =>
        measuredAction({ steer: actions[2 * i]!, accel: actions[2 * i + 1]! }),
    ),
  ];
}

/**
 * Shows stories: a sheet of all frames with the actions above them, the same
 * moving, and a page to flip through them.
 *
 * @param filmed stories of equally many steps and predictors
 * @param title of the page
 * @param size side of a frame in pixels
 * @returns `frames`, `moving` and the file `flip`, as findings have them
 */
export function storyPictures(
  filmed: readonly FilmedStory[],
  title: string,
  size: number,
): Required<Pick<Finding, "media" | "data">> {
  const zoom = zoomOf(size);
  const side = size * zoom;
  const large = (image: Image | null) =>
    image === null ? null : enlarge(image, zoom);
  const stories = filmed.map(({ story, films }) => ({
    name: story.window.scene,
    actions: actionsOf(story),
    films: films.map(({ label, frames }) => ({
      label,
      frames: frames.map(large),
    })),
  }));
  const count = stories[0]!.actions.length;
  const moments = Array.from(
    { length: count },
    (_, i) => i === 0 ? "t" : `t+${i}`,
  );
  const drawn = stories.map(({ actions }) =>
    actions.map((action) =>
      action === null ? null : dashboard({
        steerRad: action.steerRad,
        accel: action.accelMps2 / FULL_BAR,
      }, side)
    )
  );
  const rows = stories.flatMap(({ name, films }, i): ContactRow[] => [
    { label: `${name}: action`, images: drawn[i]! },
    ...films.map(({ label, frames }) => ({ label, images: frames })),
  ]);
  const sheet = contactSheet(rows, moments);
  const labels = stories[0]!.films.map(({ label }) => label);
  const film = moments.map((_, h) =>
    contactSheet(
      stories.map(({ name, films }, i) => ({
        label: name,
        // A film without a present shows the camera's; one that jumps keeps
        // the last frame that it led to.
        images: [
          drawn[i]![h]!,
          ...films.map(({ frames }) =>
            frames.slice(0, h + 1).findLast((frame) => frame !== null) ??
              films[0]!.frames[0]!
          ),
        ],
      })),
      ["Action", ...labels],
    )
  );
  const names = stories.map(({ name }) => name).join(", ");
  const alt = `Frames of ${names}: ${labels.join(", ")}`;
  return {
    media: {
      frames: {
        bytes: encodePng(sheet.image),
        type: "image/png",
        alt,
        caption:
          "Every step. Above the frames is what is done before each: the steering wheel, with its mark at the top where it is straight, and acceleration upwards in green, braking downwards in red.",
        labels: sheet.labels,
      },
      moving: {
        bytes: encodeGif(film.map(({ image }) => image), FRAME_TIME),
        type: "image/gif",
        alt,
        caption: `The same, moving, from the present on: action, ${
          labels.join(", ")
        }.`,
        labels: film.at(-1)!.labels,
      },
    },
    data: {
      flip: {
        bytes: new TextEncoder().encode(flipPage({
          title,
          lead:
            "Predictions of a scene in one place: what moves between two of them is what they differ in.",
          moments,
          scenes: filmed.map(({ story, films }) => ({
            name: story.window.scene,
            actions: actionsOf(story),
            films,
          })),
        })),
        type: "html",
        caption:
          "a page to flip between predictions in place, by mouse or keyboard; it needs no network",
      },
    },
  };
}
