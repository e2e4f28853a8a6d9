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
