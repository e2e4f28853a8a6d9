import { parse as parseSync } from "csv-parse/sync";

/**
 * Parses comma-separated values into rows of text.
 *
 * @param input the text
 * @returns one array of fields per row
 */
export function parse(input: string): string[][] {
  return parseSync(input, { bom: true }) as string[][];
}
