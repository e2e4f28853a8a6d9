import { stringify as stringifySync } from "csv-stringify/sync";

/**
 * Writes rows as comma-separated values with CRLF line ends.
 *
 * @param rows one array of fields per row
 * @returns the text
 */
export function stringify(rows: readonly (readonly unknown[])[]): string {
  return stringifySync(rows.map((row) => [...row]), {
    record_delimiter: "windows",
  });
}
