/**
 * What a run would cost, as the last line of a plan: written here and read
 * here, so that a command over many experiments can add them up.
 *
 * @module
 */

/** What a run would cost, cold. */
export interface Cost {
  /** How long it would take. */
  readonly seconds: number;
  /** Largest memory of the device, in bytes. */
  readonly memoryBytes: number;
  /** What it would leave on disk, in bytes. */
  readonly diskBytes: number;
}

const LINE = /^ {2}cost {6}(\d+) s, (\d+) MiB of memory, (\d+) MiB on disk$/m;
const MIB = 2 ** 20;

/**
 * Writes a cost as a line of a plan.
 *
 * @param cost of a run; sizes are rounded up to MiB
 */
export function costLine({ seconds, memoryBytes, diskBytes }: Cost): string {
  const [memory, disk] = [memoryBytes, diskBytes]
    .map((bytes) => Math.ceil(bytes / MIB));
  return `  cost      ${
    Math.ceil(seconds)
  } s, ${memory} MiB of memory, ${disk} MiB on disk`;
}

/**
 * Reads the cost of a plan.
 *
 * @param text of the plan
 * @returns undefined if the plan has none
 */
export function readCost(text: string): Cost | undefined {
  const match = LINE.exec(text);
  if (match === null) return undefined;
  const [seconds = 0, memory = 0, disk = 0] = match.slice(1).map(Number);
  return { seconds, memoryBytes: memory * MIB, diskBytes: disk * MIB };
}
