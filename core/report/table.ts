import { stringify } from "@std/csv";
import { escapeHtml } from "./html.ts";

/**
 * A measured number with what is known about it. With `Measured<number | null>`
 * what is missing may be null, as JSON has numbers that are not finite.
 */
export interface Measured<V extends number | null = number> {
  /** The number itself. */
  readonly value: V;
  /** Lower end of the interval, in the unit of `value`. */
  readonly low?: V;
  /** Upper end of the interval, in the unit of `value`. */
  readonly high?: V;
  /** How many windows, scenes or seeds it rests on. */
  readonly n?: number;
  /** A few words printed under the number. */
  readonly note?: string;
  /** The paper's number for the same quantity. */
  readonly published?: number;
}

/** What a table cell may hold; null is an empty cell. */
export type Cell =
  | string
  | number
  | boolean
  | null
  | Measured<number | null>;

/** One column of a table. */
export interface Column {
  /** Name of the field in a row, and of the column in CSV. */
  readonly key: string;
  /** Heading for readers; the key if absent. */
  readonly label?: string;
  /** Digits after the point; chosen from the value if absent. */
  readonly decimals?: number;
  /** Unit of its numbers, shown in the heading. */
  readonly unit?: string;
  /** Which numbers are better, shown in the heading. */
  readonly direction?: "higher" | "lower";
  /** Place of the published numbers, shown in the heading. */
  readonly where?: string;
}

/** Rows under named columns. */
export interface Table {
  /** Columns in the order they are shown. */
  readonly columns: readonly Column[];
  /** One record per row; a missing key is an empty cell. */
  readonly rows: readonly Readonly<Record<string, Cell>>[];
}

const PUBLISHED = ` class="published"`;
const PARTS = ["low", "high", "n", "note", "published"] as const;

function isMeasured(cell: Cell | undefined): cell is Measured<number | null> {
  return typeof cell === "object" && cell !== null;
}

function checkTable(table: Table): void {
  const keys = new Set<string>();
  for (const { key } of table.columns) {
    if (keys.has(key)) {
      throw new RangeError(
        `Cannot write table: column "${key}" is there twice, keys must differ`,
      );
    }
    keys.add(key);
  }
  table.rows.forEach((row, index) => {
    for (const [key, cell] of Object.entries(row)) {
      if (!keys.has(key)) {
        throw new TypeError(
          `Cannot write table: row ${index} has "${key}", the columns are ${
            [...keys].join(", ")
          }`,
        );
      }
      const parts = isMeasured(cell) ? Object.values(cell) : [cell];
      for (const part of parts) {
        if (typeof part === "number" && !Number.isFinite(part)) {
          throw new RangeError(
            `Cannot write table: "${key}" of row ${index} holds ${part}, ` +
              `it needs a finite number or null`,
          );
        }
      }
    }
  });
}

function trimMinus(text: string): string {
  return text.replace("-", "\u2212");
}

/**
 * Writes a number with the digits a reader needs.
 *
 * Three significant digits; integers in full with grouped thousands; powers of
 * ten below 0.0001 and from a million on.
 *
 * @param value a finite number, any unit
 * @param decimals digits after the point, instead of the choice above
 * @returns text with a true minus sign
 * @throws {RangeError} if `value` is not finite
 */
export function formatNumber(value: number, decimals?: number): string {
  if (!Number.isFinite(value)) {
    throw new RangeError(
      `Cannot format ${value}: it needs a finite number`,
    );
  }
  const size = Math.abs(value);
  if (decimals !== undefined) {
    const text = value.toFixed(decimals);
    return trimMinus(Number(text) === 0 ? text.replace("-", "") : text);
  }
  if (value === 0) return "0";
  if (Number.isInteger(value) && size < 1e15) {
    return trimMinus(String(value).replace(/\B(?=(\d{3})+$)/g, ","));
  }
  if (size < 1e-4 || size >= 1e6) return trimMinus(value.toExponential(2));
  const digits = Math.max(0, 2 - Math.floor(Math.log10(size)));
  return trimMinus(value.toFixed(digits));
}

/**
 * Chooses digits after the point so that half the interval has two digits.
 *
 * @param cell ends of the interval
 * @returns digits after the point, or undefined if there is no interval
 */
export function intervalDecimals(
  { low, high }: Pick<Measured<number | null>, "low" | "high">,
): number | undefined {
  if (typeof low !== "number" || typeof high !== "number") return undefined;
  const half = (high - low) / 2;
  if (!(half > 0)) return undefined;
  return Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(half))));
}

/**
 * Writes a table as CSV with every digit.
 *
 * A column with measured cells is followed by `key_low`, `key_high`, `key_n`,
 * `key_note` and `key_published`, as far as any row has them.
 *
 * @param table columns and rows
 * @returns CSV text with CRLF line ends, as RFC 4180 has them
 * @throws {TypeError} if a row has a key that is no column
 * @throws {RangeError} if a number is not finite or a column is there twice,
 *   also by the names above
 */
export function tableToCsv(table: Table): string {
  checkTable(table);
  const head: string[] = [];
  const readers: ((row: Readonly<Record<string, Cell>>) => string)[] = [];
  for (const { key } of table.columns) {
    head.push(key);
    readers.push((row) => {
      const cell = row[key];
      return String((isMeasured(cell) ? cell.value : cell) ?? "");
    });
    for (const part of PARTS) {
      const used = table.rows.some((row) => {
        const cell = row[key];
        return isMeasured(cell) && (cell[part] ?? null) !== null;
      });
      if (!used) continue;
      head.push(`${key}_${part}`);
      readers.push((row) => {
        const cell = row[key];
        return String((isMeasured(cell) ? cell[part] : undefined) ?? "");
      });
    }
  }
  const twice = head.find((name, index) => head.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new RangeError(
      `Cannot write table: CSV column "${twice}" is there twice, rename the ` +
        `column of that key`,
    );
  }
  const lines = table.rows.map((row) => readers.map((read) => read(row)));
  return stringify([head, ...lines]);
}

/**
 * Writes a table as JSON with every digit.
 *
 * @param table columns and rows
 * @returns `{ columns, rows }`, indented, with a line end
 * @throws {TypeError} if a row has a key that is no column
 * @throws {RangeError} if a number is not finite or a column is there twice
 */
export function tableToJson(table: Table): string {
  checkTable(table);
  const { columns, rows } = table;
  return JSON.stringify({ columns, rows }, null, 2) + "\n";
}

function cellHtml(cell: Cell | undefined, decimals?: number): string {
  if (cell === undefined || cell === null) {
    return `<td class="empty">\u2013</td>`;
  }
  if (typeof cell === "string") return `<td>${escapeHtml(cell)}</td>`;
  if (typeof cell === "boolean") return `<td>${cell ? "yes" : "no"}</td>`;
  if (typeof cell === "number") {
    return `<td class="number">${formatNumber(cell, decimals)}</td>`;
  }
  const digits = decimals ?? intervalDecimals(cell);
  const lines = [
    cell.value === null
      ? "\u2013"
      : `<b>${formatNumber(cell.value, digits)}</b>`,
  ];
  const [low, high] = [cell.low, cell.high].map((end) =>
    typeof end === "number" ? formatNumber(end, digits) : undefined
  );
  if (low !== undefined && high !== undefined) {
    lines.push(`<small>[${low}, ${high}]</small>`);
  } else if (low !== undefined) {
    lines.push(`<small>from ${low}</small>`);
  } else if (high !== undefined) {
    lines.push(`<small>to ${high}</small>`);
  }
  if (cell.n !== undefined) {
    lines.push(`<small>n = ${formatNumber(cell.n)}</small>`);
  }
  if (cell.published !== undefined) {
    const paper = formatNumber(cell.published, decimals);
    lines.push(`<small${PUBLISHED}>paper ${paper}</small>`);
  }
  if (cell.note !== undefined) {
    lines.push(`<small>${escapeHtml(cell.note)}</small>`);
  }
  return `<td class="number">${lines.join("")}</td>`;
}

/**
 * Writes a table as an HTML fragment in a box that scrolls sideways.
 *
 * A measured cell shows its value, then interval, n, the paper's number and
 * its note. The first column heads its row.
 *
 * @param table columns and rows
 * @param caption text above the table
 * @returns HTML with every text escaped
 * @throws {TypeError} if a row has a key that is no column
 * @throws {RangeError} if a number is not finite or a column is there twice
 */
export function tableToHtml(table: Table, caption?: string): string {
  checkTable(table);
  const numeric = (key: string): boolean =>
    table.rows.some((row) => {
      const cell = row[key];
      return typeof cell === "number" || isMeasured(cell);
    });
  const head = table.columns.map((column) => {
    const { key, label, unit, direction, where } = column;
    const kind = numeric(key) ? ` class="number"` : "";
    const small = (text: string, name = "") =>
      `<small${name}>${escapeHtml(text)}</small>`;
    const arrow = direction === "higher" ? "\u2191" : "\u2193";
    return `<th scope="col"${kind}>${escapeHtml(label ?? key)}` +
      (unit === undefined ? "" : small(`in ${unit}`)) +
      (direction === undefined
        ? ""
        : small(`${arrow}\u00a0${direction}\u00a0is\u00a0better`)) +
      (where === undefined ? "" : small(`paper: ${where}`, PUBLISHED)) +
      `</th>`;
  });
  const lines = table.rows.map((row) => {
    const cells = table.columns.map(({ key, decimals }, index) => {
      const cell = row[key];
      return index === 0 && typeof cell === "string"
        ? `<th scope="row">${escapeHtml(cell)}</th>`
        : cellHtml(cell, decimals);
    });
    return `<tr>${cells.join("")}</tr>`;
  });
  const title = caption === undefined
    ? ""
    : `<caption><span>${escapeHtml(caption)}</span></caption>`;
  return `<div class="scroll" tabindex="0"><table>${title}<thead><tr>` +
    `${head.join("")}</tr></thead><tbody>\n${lines.join("\n")}\n` +
    `</tbody></table></div>`;
}
