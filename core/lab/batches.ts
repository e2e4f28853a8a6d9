/**
 * Cuts windows 0, ..., count - 1 into batches.
 *
 * @param count of all windows
 * @param batch of most batches; the last one may be smaller
 */
export function batchesOf(count: number, batch: number): number[][] {
  const all = Array.from({ length: count }, (_, i) => i);
  return Array.from(
    { length: Math.ceil(count / batch) },
    (_, i) => all.slice(i * batch, (i + 1) * batch),
  );
}
