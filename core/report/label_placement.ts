/** A label that wants to stand beside a point. */
export interface LabelAnchor {
  /** Pixels from the left edge. */
  readonly x: number;
  /** Pixels from the top edge. */
  readonly y: number;
  /** Width of the text in pixels. */
  readonly width: number;
  /** Height of the text in pixels. */
  readonly height: number;
}

/** A rectangle in pixels; `y` grows downwards. */
export interface Box {
  /** Left edge. */
  readonly left: number;
  /** Top edge. */
  readonly top: number;
  /** Right edge. */
  readonly right: number;
  /** Bottom edge. */
  readonly bottom: number;
}

const DIRECTIONS: readonly (readonly [number, number])[] = [
  [1, 0],
  [-1, 0],
  [0, -1],
  [0, 1],
  [1, -1],
  [1, 1],
  [-1, -1],
  [-1, 1],
];
const DISTANCES = [8, 18, 30, 44, 60, 78, 98];
const PASSES = 4;

function overlap(a: Box, b: Box): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

function candidates({ x, y, width, height }: LabelAnchor): Box[] {
  return DISTANCES.flatMap((distance) =>
    DIRECTIONS.map(([right, down]) => {
      const reach = right !== 0 && down !== 0 ? distance * 0.75 : distance;
      const centerX = x + right * (reach + width / 2);
      const centerY = y + down * (reach + height / 2);
      return {
        left: centerX - width / 2,
        top: centerY - height / 2,
        right: centerX + width / 2,
        bottom: centerY + height / 2,
      };
    })
  );
}

/**
 * Places labels beside their points so that they cover nothing.
 *
 * Each label takes the nearest free place of eight directions and seven
 * distances; a few passes let early labels make room for later ones. Where no
 * free place exists the one that covers least is taken.
 *
 * @param anchors one per label
 * @param frame what labels must not leave, in pixels
 * @param obstacles what labels must not cover, such as points and error bars
 * @returns one rectangle per anchor, in the same order
 */
export function placeLabels(
  anchors: readonly LabelAnchor[],
  frame: Box,
  obstacles: readonly Box[],
): Box[] {
  const placed: (Box | undefined)[] = anchors.map(() => undefined);
  for (let pass = 0; pass < PASSES; pass++) {
    anchors.forEach((anchor, index) => {
      const others = placed.filter((_, other) => other !== index);
      let best: Box | undefined;
      let bestCost = Infinity;
      candidates(anchor).forEach((box, rank) => {
        const area = (box.right - box.left) * (box.bottom - box.top);
        const outside = area - overlap(box, frame);
        let cost = rank + 1000 * outside;
        for (const other of others) {
          if (other !== undefined) cost += 200 * overlap(box, other);
        }
        for (const obstacle of obstacles) {
          cost += 20 * overlap(box, obstacle);
        }
        if (cost < bestCost) {
          best = box;
          bestCost = cost;
        }
      });
      placed[index] = best;
    });
  }
  return placed.filter((box) => box !== undefined);
}
