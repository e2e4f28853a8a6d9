/** Workgroups that one dimension of a dispatch may have. */
export const MAX_GROUPS = 65_535;

/** A dispatch size: workgroups along x, y and z. */
export type Grid = readonly [x: number, y?: number, z?: number];

/**
 * Divides and rounds up.
 *
 * @param count what is divided, at least 0
 * @param size by what, above 0
 * @returns the smallest integer not below `count / size`
 */
export function ceilDiv(count: number, size: number): number {
  return Math.ceil(count / size);
}

/**
 * Spreads `groups` workgroups over two dimensions, so that none exceeds
 * {@linkcode MAX_GROUPS}. The kernel's linear index is then
 * `group.y * MAX_GROUPS + group.x`, and groups at or past the end do nothing.
 *
 * @param groups number of workgroups, at least 1
 * @returns the dispatch size
 */
export function flatGrid(groups: number): Grid {
  if (groups <= MAX_GROUPS) return [groups, 1];
  return [MAX_GROUPS, ceilDiv(groups, MAX_GROUPS)];
}

/** Loop iterations of one invocation that every driver carries out. */
const MAX_ITERATIONS = 60_000;

/**
 * Refuses work whose loops are too long for one invocation: Mesa's software
 * driver ends loops silently after 65,535 iterations.
 *
 * @param op name of the operation, for the message
 * @param iterations of all loops together
 * @throws {RangeError} if they are more than 60,000
 */
export function checkLoop(op: string, iterations: number): void {
  if (iterations <= MAX_ITERATIONS) return;
  throw new RangeError(
    `Cannot apply ${op}: it needs ${
      Math.ceil(iterations)
    } loop iterations per invocation, drivers may end after ${MAX_ITERATIONS}; split the input`,
  );
}
