import { FRAME_SIDE } from "../frame_set.ts";

/** A canvas with its context. */
export interface Surface {
  /** The element. */
  readonly canvas: HTMLCanvasElement;
  /** What draws on it. */
  readonly context: CanvasRenderingContext2D;
}

/** Finds an element of the page. */
export function element<T extends HTMLElement>(
  id: string,
  type: new () => T,
): T {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`Cannot show the page: it has no ${type.name} "${id}"`);
}

/** The surface of a canvas. */
export function surfaceOf(canvas: HTMLCanvasElement): Surface {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) {
    throw new Error("Cannot draw: this browser has no 2D canvas");
  }
  return { canvas, context };
}

/** Pixels of a frame with alpha. */
export function imageData(levels: ArrayLike<number>): ImageData {
  const data = new Uint8ClampedArray(FRAME_SIDE * FRAME_SIDE * 4);
  for (let i = 0, j = 0; i < levels.length; i += 3, j += 4) {
    data[j] = levels[i]!;
    data[j + 1] = levels[i + 1]!;
    data[j + 2] = levels[i + 2]!;
    data[j + 3] = 255;
  }
  return new ImageData(data, FRAME_SIDE, FRAME_SIDE);
}

/** A canvas that holds one frame. */
export function frameCanvas(image?: ImageData): Surface {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = FRAME_SIDE;
  const surface = surfaceOf(canvas);
  if (image) surface.context.putImageData(image, 0, 0);
  return surface;
}

/** Shows frames one after the other, or faded into each other. */
export class FrameView {
  readonly #surface: Surface;
  #before: Surface = frameCanvas();
  #now: Surface = frameCanvas();
  #at = 0;

  /**
   * Draws on a canvas.
   *
   * @param canvas of one frame
   */
  constructor(canvas: HTMLCanvasElement) {
    this.#surface = surfaceOf(canvas);
  }

  /** The frame that is shown, or faded to. */
  get canvas(): HTMLCanvasElement {
    return this.#now.canvas;
  }

  /** Takes the next frame; nothing is shown where there is none. */
  push(image: ImageData | undefined): void {
    [this.#before, this.#now] = [this.#now, this.#before];
    const { context } = this.#now;
    context.clearRect(0, 0, FRAME_SIDE, FRAME_SIDE);
    if (image) context.putImageData(image, 0, 0);
    this.#at = performance.now();
  }

  /**
   * Draws.
   *
   * @param fadeMs in which a frame fades into the next one; 0 for none
   */
  draw(fadeMs: number): void {
    const { context } = this.#surface;
    const share = fadeMs <= 0
      ? 1
      : Math.min(1, (performance.now() - this.#at) / fadeMs);
    context.clearRect(0, 0, FRAME_SIDE, FRAME_SIDE);
    if (share < 1) context.drawImage(this.#before.canvas, 0, 0);
    context.globalAlpha = share;
    context.drawImage(this.#now.canvas, 0, 0);
    context.globalAlpha = 1;
  }
}

/** Frames of the strip. */
const STRIP = 12;

/** The last frames, dream above truth. */
export class Strip {
  readonly #surface: Surface;

  /**
   * Draws on a canvas.
   *
   * @param canvas of twelve frames in two rows
   */
  constructor(canvas: HTMLCanvasElement) {
    this.#surface = surfaceOf(canvas);
  }

  /** Empties it. */
  clear(): void {
    const { canvas, context } = this.#surface;
    context.clearRect(0, 0, canvas.width, canvas.height);
  }

  /** Moves all frames to the left and draws the newest. */
  push(dream: HTMLCanvasElement, truth: HTMLCanvasElement): void {
    const { canvas, context } = this.#surface;
    const side = canvas.width / STRIP;
    context.globalCompositeOperation = "copy";
    context.drawImage(canvas, -side, 0);
    context.globalCompositeOperation = "source-over";
    context.drawImage(dream, canvas.width - side, 0, side, side);
    context.drawImage(truth, canvas.width - side, side + 2, side, side);
  }
}

/** One place of the curve. */
export interface Distance {
  /** CosSim of the latents. */
  readonly cosSim?: number;
  /** CosSim of the frame that the dream was anchored to. */
  readonly frozenCosSim?: number;
  /** Mean absolute difference, levels. */
  readonly pixelError?: number;
  /** Frames since the dream saw the truth; 1 right after it did. */
  readonly sinceAnchor: number;
}

/** Frames of the curve. */
export const CURVE = 120;

/** Pixel error at the upper edge, levels. */
const MOST_ERROR = 64;

/** Draws the distance of dream and truth over the last frames. */
export function drawCurve(
  { canvas, context }: Surface,
  distances: readonly Distance[],
): void {
  const { width, height } = canvas;
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const some = distances.slice(-CURVE);
  const x = (i: number) => (i + 0.5) * width / CURVE;
  const y = (share: number) => height - 2 - Math.max(0, share) * (height - 4);
  context.clearRect(0, 0, width, height);
  context.strokeStyle = colour("--line");
  context.lineWidth = 1;
  context.setLineDash([]);
  for (const level of [0, 0.5, 1]) {
    context.beginPath();
    context.moveTo(0, y(level));
    context.lineTo(width, y(level));
    context.stroke();
  }
  context.strokeStyle = colour("--soft");
  context.lineWidth = 2;
  context.setLineDash([2, 4]);
  for (const [i, { sinceAnchor }] of some.entries()) {
    if (sinceAnchor !== 1) continue;
    context.beginPath();
    context.moveTo(x(i), 0);
    context.lineTo(x(i), height);
    context.stroke();
  }
  const line = (
    of: (distance: Distance) => number | undefined,
    name: string,
    dash: number[],
    lineWidth = 3,
  ) => {
    context.strokeStyle = colour(name);
    context.lineWidth = lineWidth;
    context.setLineDash(dash);
    context.beginPath();
    let isOpen = false;
    for (const [i, distance] of some.entries()) {
      const value = of(distance);
      if (value === undefined) isOpen = false;
      else if (isOpen) context.lineTo(x(i), y(value));
      else {
        context.moveTo(x(i), y(value));
        isOpen = true;
      }
    }
    context.stroke();
  };
  line(({ frozenCosSim }) => frozenCosSim, "--soft", [2, 3], 1.5);
  line(({ cosSim }) => cosSim, "--dream", []);
  line(
    ({ pixelError }) =>
      pixelError === undefined
        ? undefined
        : Math.min(1, pixelError / MOST_ERROR),
    "--pixel",
    [8, 5],
  );
}
