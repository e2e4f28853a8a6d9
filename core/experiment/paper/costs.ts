import { duration } from "../progress.ts";
import type { PlannedCost } from "./run.ts";

/**
 * Writes what experiments would cost as a table.
 *
 * @param preset of all
 * @param costs in their order
 */
export function costTable(
  preset: string,
  costs: readonly PlannedCost[],
): string {
  const size = (bytes: number) => {
    const mib = Math.ceil(bytes / 2 ** 20);
    return mib < 1024 ? `${mib} MiB` : `${(mib / 1024).toFixed(1)} GiB`;
  };
  const known = costs.flatMap(({ cost }) => cost ?? []);
  const sum = (pick: (cost: typeof known[number]) => number) =>
    known.reduce((total, cost) => total + pick(cost), 0);
  const line = (...cells: string[]) =>
    cells.map((cell, i) => i === 0 ? cell.padEnd(20) : cell.padStart(12))
      .join("").trimEnd();
  const row = (name: string, { seconds, memoryBytes, diskBytes }: {
    seconds: number;
    memoryBytes: number;
    diskBytes: number;
  }) => line(name, duration(seconds), size(memoryBytes), size(diskBytes));
  return [
    `Preset ${preset}, each alone and cold; what experiments share is made once`,
    line("", "time", "memory", "disk"),
    ...costs.map(({ name, cost, message }) =>
      cost !== undefined
        ? row(name, cost)
        : `${name.padEnd(20)}  ${message ?? "its plan has no cost"}`
    ),
    row("all, at most", {
      seconds: sum(({ seconds }) => seconds),
      memoryBytes: Math.max(0, ...known.map((cost) => cost.memoryBytes)),
      diskBytes: sum(({ diskBytes }) => diskBytes),
    }),
    "",
  ].join("\n");
}
