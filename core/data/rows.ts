/**
 * Checks of rows that were read from JSON files.
 *
 * @module
 */

import type { RowPlace } from "./json_stream.ts";

/** What is needed of a schema of zod. */
export interface RowSchema<T> {
  /** Checks a value and says what is wrong with it. */
  safeParse(value: unknown):
    | { readonly success: true; readonly data: T }
    | {
      readonly success: false;
      readonly error: {
        readonly issues: readonly {
          readonly path: readonly PropertyKey[];
          readonly message: string;
        }[];
      };
    };
}

/**
 * Checks one row against a schema.
 *
 * @param schema what a row must hold; further fields are left out
 * @param row as parsed
 * @param path the file, for the message
 * @param place of the row in the file, for the message
 * @returns the row
 * @throws {Error} that names the file, the row and every field at fault
 */
export function checkRow<T>(
  schema: RowSchema<T>,
  row: unknown,
  path: string,
  place: RowPlace,
): T {
  const result = schema.safeParse(row);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) =>
    `field "${issue.path.join(".")}": ${issue.message}`
  );
  throw new Error(
    `Cannot use row ${place.row} at byte ${place.offset} of "${path}": ${
      faults.join("; ")
    }`,
  );
}
