import { element, surfaceOf } from "./views.ts";

/** Facts of a recorded session. */
export interface RecordedSession {
  /** Seed of its world. */
  readonly scene: number;
  /** What the place is. */
  readonly title: string;
  /** Side of a frame, and pixels between frames, in the picture. */
  readonly side: number;
  /** Pixels between two frames. */
  readonly gap: number;
  /** Frames in order. */
  readonly frames: readonly {
    readonly steer: number;
    readonly accel: number;
    readonly cosSim: number | null;
    readonly frozenCosSim: number | null;
    readonly pixelError: number | null;
    readonly read: number | null;
  }[];
  /** Means over drives of several scenes, by the frame. */
  readonly limits: readonly {
    readonly frame: number;
    readonly drives: number;
    readonly cosSim: number;
    readonly frozenCosSim: number;
    readonly pixelError: number;
  }[];
}

/** Reads the facts of the recorded session. */
export async function readRecorded(): Promise<RecordedSession> {
  const response = await fetch("recorded.json");
  return await response.json();
}

/**
 * Says how long dreams last, by the drives that were measured.
 *
 * @param limits means by the frame
 */
export function limitsText({ limits }: RecordedSession): string {
  if (limits.length === 0) return "";
  const places = limits.map(({ frame, cosSim, frozenCosSim }) =>
    `${cosSim.toFixed(2)} after ${frame / 2} s (frozen ${
      frozenCosSim.toFixed(2)
    })`
  );
  return `Measured over ${
    limits[0]!.drives
  } recorded drives with the shipped weights, mean CosSim is ${
    places.join(", ")
  }: the far street dissolves first; after some ten seconds the dream shows a street of its own, and later a dark one.`;
}

/** Milliseconds of a frame: 2 Hz, as in the world. */
const FRAME_MS = 500;

/**
 * Plays the recorded session again and again.
 *
 * @param session its facts
 * @param show told each frame's number, from 0
 */
export async function playRecorded(
  { side, gap, frames }: RecordedSession,
  show: (frame: number) => void,
): Promise<void> {
  const picture = new Image();
  picture.src = "recorded.png";
  await picture.decode();
  const [dream, truth] = ["dream", "truth"].map((id) =>
    surfaceOf(element(id, HTMLCanvasElement))
  );
  let i = 0;
  const next = () => {
    const x = i * (side + gap);
    for (const [row, surface] of [dream!, truth!].entries()) {
      const { width, height } = surface.canvas;
      surface.context.drawImage(
        picture,
        ...[x, row * (side + gap), side, side] as const,
        ...[0, 0, width, height] as const,
      );
    }
    show(i);
    i = (i + 1) % frames.length;
  };
  next();
  setInterval(next, FRAME_MS);
}
