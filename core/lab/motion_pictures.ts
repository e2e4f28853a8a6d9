import type { Finding } from "../experiment/findings.ts";
import type { Image } from "../formats/image.ts";
import { encodePng } from "../formats/png.ts";
import { type ChangeMaps, changeMaps } from "../metrics/motion.ts";
import { encodeGif } from "../report/animation.ts";
import { contactSheet } from "../report/contact_sheet.ts";
import { cool, hot, overlay } from "../report/overlay.ts";
import { spaced } from "./data.ts";
import type { Lab } from "./lab.ts";
import type { MotionPoint } from "./motion_run.ts";
import { motionFrames, motionFutures } from "./motion_sources.ts";
import { imagesOf, levelsOf, zoomOf } from "./pictures.ts";

/** Windows that are shown. */
const SHOWN = 4;

/** Frames ahead that the sheet shows, as published. */
const AHEAD = 4;

/** Milliseconds that a frame of an animation is shown. */
const FRAME_TIME = 600;

/** Frames of some windows at one point: (1 + H) pictures of each. */
interface Film {
  readonly title: string;
  readonly frames: readonly Float32Array[];
}

/** Largest change of some maps. */
function mostOf(maps: readonly ChangeMaps[]): number {
  const most = maps.map(({ low, high }) =>
    [low, high].reduce((a, list) => list.reduce((b, x) => Math.max(b, x), a), 0)
  );
  // Frames that stand still need a scale, too: a level of 255.
  return Math.max(1 / 255, ...most);
}

/**
 * Shows where frames change, below the frequency and above it: as a sheet, from
 * the present to four steps ahead, and moving, from frame to frame. Windows are
 * evenly spaced among those given.
 *
 * @param lab networks and frames
 * @param points what is shown, what happened first: it gives the scale
 * @param windows numbers of test windows
 * @returns `figure7` and `moving`, as findings have them
 * @throws {Interrupted} if it was asked to stop
 */
export async function motionPictures(
  lab: Lab,
  points: readonly MotionPoint[],
  windows: readonly number[],
): Promise<NonNullable<Finding["media"]>> {
  const { horizon, size } = lab.params;
  const layout = { height: size, width: size, channels: 3 };
  const own = size * size * 3;
  const some = spaced(windows, SHOWN);
  const part = await lab.part("test");
  const films: Film[] = [];
  for (const { title, sources: [source] } of points) {
    lab.context.interrupt.check();
    using opened = await motionFutures(lab, source!, "test");
    const framesOf = await motionFrames(lab, "test", source!, opened);
    films.push({ title, frames: await framesOf(some) });
  }
  const frame = ({ frames }: Film, window: number, k: number) =>
    frames[window]!.subarray(k * own, (k + 1) * own);
  const picture = (film: Film, window: number, k: number) =>
    imagesOf(levelsOf(frame(film, window, k)), size)[0]!;
  const maps = (film: Film, window: number, from: number, to: number) =>
    changeMaps(frame(film, window, from), frame(film, window, to), layout);
  const [real] = films as [Film];
  const all = [...some.keys()];
  const overlays = (base: Image, { low, high }: ChangeMaps, most: number) => [
    overlay(base, low, most, hot),
    overlay(base, high, most, cool),
  ];
  const zoom = zoomOf(size);

  const ahead = Math.min(AHEAD, horizon);
  const most = mostOf(all.map((i) => maps(real, i, 0, ahead)));
  const rows = all.flatMap((i) =>
    films.map((film, k) => {
      const base = picture(film, i, ahead);
      const { scene } = part.windows[some[i]!]!;
      return {
        label: k === 0 ? `${scene}: ${film.title}` : film.title,
        images: [
          k === 0 ? picture(film, i, 0) : null,
          base,
          ...overlays(base, maps(film, i, 0, ahead), most),
        ],
      };
    })
  );
  const sheet = contactSheet(
    rows,
    ["t", `t+${ahead}`, "low frequency", "high frequency"],
    zoom,
  );

  const steps = Array.from({ length: horizon - 1 }, (_, k) => k + 1);
  const mostMoving = mostOf(
    all.flatMap((i) => steps.map((step) => maps(real, i, step, step + 1))),
  );
  const moments = steps.map((step) =>
    contactSheet(
      all.map((i) => ({
        label: part.windows[some[i]!]!.scene,
        images: films.flatMap((film) =>
          overlays(
            picture(film, i, step + 1),
            maps(film, i, step, step + 1),
            mostMoving,
          )
        ),
      })),
      films.flatMap(({ title }) => [`${title}, low`, "high"]),
      zoom,
    )
  );
  const names = films.map(({ title }) => title).join(", ");
  const scale = (value: number) =>
    `one scale, from 0 to ${
      value.toFixed(2)
    }, the largest change of what happened`;
  return {
    figure7: {
      bytes: encodePng(sheet.image),
      type: "image/png",
      alt: `Where frames of ${some.length} windows change: ${names}`,
      caption:
        `Figure 7: where the frame at t+${ahead} differs from the present, at low frequencies (black to white) and at high ones (cyan to magenta), ${
          scale(most)
        }. Windows are evenly spaced among the quarter that moves most.`,
      labels: sheet.labels,
    },
    moving: {
      bytes: encodeGif(moments.map(({ image }) => image), FRAME_TIME),
      type: "image/gif",
      alt: `Changes from frame to frame of ${some.length} windows: ${names}`,
      caption:
        `The same windows from frame to frame, of predicted frames alone, ${
          scale(mostMoving)
        }.`,
      labels: moments[0]!.labels,
    },
  };
}
