/** Files that are worked on at a time: waiting for the disk is most of it. */
const AT_ONCE = 16;

/**
 * Does slow work on many items, some of them at a time.
 *
 * @param items what to work on
 * @param work on one of them
 * @returns results in the order of the items
 * @throws what the first work that fails does; no more is begun then
 */
export async function severalAtOnce<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const serve = async () => {
    while (next < items.length) {
      const i = next++;
      try {
        results[i] = await work(items[i]!); // i < length
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, serve));
  return results;
}
