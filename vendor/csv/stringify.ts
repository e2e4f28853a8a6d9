/** A row of {@linkcode stringify}: its fields in order. */
export type DataItem = readonly unknown[];

function field(value: unknown): string {
  if (value === undefined || value === null) return "";
  const text = typeof value === "object"
    ? JSON.stringify(value)
    : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Writes rows as comma-separated values with CRLF line ends.
 *
 * Missing values become empty fields; a field that holds a comma, a quote or
 * a line end is quoted.
 *
 * Source: RFC 4180.
 *
 * @param data one array of fields per row
 * @returns the text, each row with its line end
 */
export function stringify(data: readonly DataItem[]): string {
  return data.map((row) => row.map(field).join(",") + "\r\n").join("");
}
