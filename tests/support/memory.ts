/**
 * Bytes that this thread holds: its heap and its array buffers. Tests of other
 * files that run meanwhile do not count, as they would in the resident set.
 */
export function heldBytes(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
