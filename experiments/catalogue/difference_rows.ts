import type { Difference } from "../../core/experiment/paper/catalogue.ts";

/** A difference as a line of a list. */
export type DifferenceRow = readonly [
  topic: string,
  paper: string,
  code: string,
  here: string,
];

/**
 * Names the parts of each line.
 *
 * @param rows lines of a list
 */
export function listed(rows: readonly DifferenceRow[]): readonly Difference[] {
  return rows.map(([topic, paper, code, here]) => ({
    topic,
    paper,
    code,
    here,
  }));
}
