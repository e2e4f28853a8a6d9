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

/**
 * Cuts a number of workgroups into ranges that one dimension holds. All but the
 * last are multiples of 64, so that what belongs to a range of whole rows of
 * four-byte elements begins at a multiple of 256 bytes and may be bound.
 *
 * @param groups number of workgroups
 * @returns first and past-last workgroup of each range
 */
export function groupRanges(
  groups: number,
): (readonly [start: number, end: number])[] {
  const most = MAX_GROUPS - MAX_GROUPS % 64;
  if (groups <= MAX_GROUPS) return [[0, groups]];
  return Array.from(
    { length: ceilDiv(groups, most) },
    (_, i) => [i * most, Math.min((i + 1) * most, groups)],
  );
}

/**
 * Refuses a dispatch that a device would not run.
 *
 * @param kernel name of the kernel, for the message
 * @param grid workgroups along x, y and z
 * @throws {RangeError} if they are more than 65,535 along one
 */
export function checkGrid(kernel: string, grid: Grid): void {
  if (grid.every((groups = 1) => groups <= MAX_GROUPS)) return;
  throw new RangeError(
    `Cannot run ${kernel}: its input needs ${
      grid.join(" x ")
    } workgroups, at most ${MAX_GROUPS} are possible along an axis; split the input`,
  );
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
