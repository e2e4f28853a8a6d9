import type { Image } from "../formats/image.ts";

/** What a dashboard shows. */
export interface DashboardState {
  /** Turn of the steering wheel, rad, positive to the left. */
  readonly steerRad: number;
  /** Acceleration as a share of the bar, from -1 (brake) to 1. */
  readonly accel: number;
}

type Colour = readonly [red: number, green: number, blue: number];

const GROUND: Colour = [24, 27, 31];
const LINE: Colour = [228, 231, 235];
const MARK: Colour = [240, 148, 108];
const FAINT: Colour = [84, 92, 101];
const FASTER: Colour = [101, 192, 140];
const SLOWER: Colour = [255, 120, 105];

/** Radius of the wheel and width of its lines, as shares of the side. */
const WHEEL = { x: 0.4, y: 0.5, radius: 0.27, line: 0.026 };

/** The bar of acceleration: centre, half height, half width. */
const BAR = { x: 0.84, y: 0.5, height: 0.3, width: 0.045 };

/**
 * Enlarges a picture by whole pixels.
 *
 * @param image picture
 * @param scale pixels for one
 * @throws {RangeError} if `scale` is not a positive integer
 */
export function enlarge({ width, height, data }: Image, scale: number): Image {
  if (!Number.isInteger(scale) || scale < 1) {
    throw new RangeError(
      `Cannot enlarge a picture ${scale} times: needed a positive integer`,
    );
  }
  const large = new Uint8Array(width * height * scale * scale * 3);
  for (let y = 0, to = 0; y < height * scale; y++) {
    for (let x = 0; x < width * scale; x++, to += 3) {
      const from = 3 *
        (Math.floor(y / scale) * width + Math.floor(x / scale));
      large.set(data.subarray(from, from + 3), to);
    }
  }
  return { width: width * scale, height: height * scale, data: large };
}

/** Distance of a place to the segment from (0, 0) to (x1, y1). */
function toSegment(x: number, y: number, x1: number, y1: number): number {
  const t = Math.max(
    0,
    Math.min(1, (x * x1 + y * y1) / (x1 * x1 + y1 * y1)),
  );
  return Math.hypot(x - t * x1, y - t * y1);
}

/**
 * Draws a steering wheel and a bar of acceleration: the mark of the wheel is at
 * the top where it is straight; the bar goes up and is green where the car gets
 * faster, down and red where it brakes.
 *
 * @param state what is shown; shares are clipped
 * @param side of the picture in pixels
 * @throws {RangeError} if a number is not finite, or the side not a positive
 *   integer
 */
export function dashboard(
  { steerRad, accel }: DashboardState,
  side: number,
): Image {
  if (![steerRad, accel].every(Number.isFinite) || !(side >= 1)) {
    throw new RangeError(
      `Cannot draw steering ${steerRad} and acceleration ${accel} on ${side} pixels: needed finite numbers and a positive side`,
    );
  }
  const data = new Uint8Array(3 * side * side);
  const share = Math.max(-1, Math.min(1, accel));
  // Spokes to the left, the right and below; a mark at the top. Turned to the
  // left, which is against the clock.
  const spokes = [-Math.PI, 0, Math.PI / 2].map((angle) => angle - steerRad);
  const top = -Math.PI / 2 - steerRad;
  const { radius, line } = WHEEL;
  const at = (angle: number) =>
    [radius * Math.cos(angle), radius * Math.sin(angle)] as const;
  for (let row = 0, to = 0; row < side; row++) {
    for (let column = 0; column < side; column++, to += 3) {
      const [x, y] = [(column + 0.5) / side, (row + 0.5) / side];
      let colour = GROUND as number[] | Colour;
      /** Paints what is nearer than nothing, its edge over one pixel. */
      const paint = (distance: number, of: Colour) => {
        const cover = Math.max(0, Math.min(1, 0.5 - distance * side));
        colour = colour.map((value, c) => value + cover * (of[c]! - value));
      };
      const [dx, dy] = [x - WHEEL.x, y - WHEEL.y];
      for (const angle of spokes) {
        paint(toSegment(dx, dy, ...at(angle)) - line, LINE);
      }
      paint(Math.abs(Math.hypot(dx, dy) - radius) - line, LINE);
      const [mx, my] = at(top);
      paint(Math.hypot(dx - mx, dy - my) - 2 * line, MARK);
      const across = Math.abs(x - BAR.x) - BAR.width;
      const up = (BAR.y - y) / BAR.height;
      paint(Math.max(across, (Math.abs(up) - 1) * BAR.height), FAINT);
      const beyond = Math.max(
        -up * Math.sign(share),
        Math.abs(up) - Math.abs(share),
      );
      if (share !== 0) {
        paint(
          Math.max(across, beyond * BAR.height),
          share > 0 ? FASTER : SLOWER,
        );
      }
      paint(
        Math.max(across - 0.03, Math.abs(up) * BAR.height - 0.006),
        LINE,
      );
      for (let c = 0; c < 3; c++) data[to + c] = Math.round(colour[c]!);
    }
  }
  return { width: side, height: side, data };
}
