// A field in quotes, whose quotes are doubled, or one without quotes; then what
// ends it. Sticky, so that text between fields cannot be skipped.
const FIELD = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;

/**
 * Parses comma-separated values into rows of text.
 *
 * A byte order mark and empty lines are skipped, quoted fields may hold
 * commas, line ends and doubled quotes, and blanks belong to their field.
 *
 * Source: RFC 4180.
 *
 * @param input the text, with LF or CRLF line ends
 * @returns one array of fields per row
 * @throws {SyntaxError} if a quote is not closed, or stands inside a field
 *   that is not quoted
 */
export function parse(input: string): string[][] {
  const text = input.startsWith("\ufeff") ? input.slice(1) : input;
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length || row.length > 0) {
    FIELD.lastIndex = at;
    const match = FIELD.exec(text);
    if (match === null) {
      const line = text.slice(0, at).split("\n").length;
      throw new SyntaxError(
        `Cannot parse CSV: line ${line} has a quote that is not closed or ` +
          `not at the ends of its field, field ${row.length + 1}`,
      );
    }
    const [all, quoted, bare = "", end] = match;
    at += all.length;
    row.push(quoted?.replaceAll('""', '"') ?? bare);
    if (end === ",") continue;
    const isEmptyLine = row.length === 1 && quoted === undefined && bare === "";
    if (!isEmptyLine) rows.push(row);
    row = [];
  }
  return rows;
}
