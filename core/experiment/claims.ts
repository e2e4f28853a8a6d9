/**
 * Claims as data: a sentence, its number, the bound that decides on it. The
 * verdict follows from the numbers, and so does what is written beside it.
 *
 * @module
 */

import { z } from "zod";
import type { Verdict } from "../report/report.ts";
import { formatNumber, intervalDecimals } from "../report/table.ts";

/** A measured number; null if it is not finite, which JSON cannot hold. */
export const number = z.number().nullable();
/** Text for readers. */
export const text = z.string().min(1);
/** What is known of a measured number. */
export const interval = {
  /** Lower end of the interval, in the unit of the number. */
  low: number.exactOptional(),
  /** Upper end of the interval, in the unit of the number. */
  high: number.exactOptional(),
  /** How many windows, scenes or seeds it rests on. */
  n: z.int().nonnegative().exactOptional(),
};
const counted = {
  ...interval,
  /** What `n` counts and the interval is of, such as "scenes". */
  of: text.exactOptional(),
};
const reference = z.strictObject({
  /** What was measured, as it is called in a sentence. */
  label: text,
  /** The number; null if it is not finite. */
  value: number,
  ...counted,
});
const end = z.union([z.number(), reference], {
  error: "needs a number, or label and value",
});
const bound = z.union([
  z.strictObject({ above: end }),
  z.strictObject({ below: end }),
  z.strictObject({ between: z.tuple([end, end]) }),
], { error: "needs above, below or between" });

/** A claim as it stands in findings.json. */
export const claimSchema = z.strictObject({
  /** Short name, unique among the claims. */
  id: text,
  /** The sentence that the number can deny; no threshold is repeated in it. */
  text,
  /** What became of it, see {@linkcode judge}. */
  verdict: z.enum(["holds", "does not hold", "not tested"]),
  /** Whether the interval is on both sides; absent without an interval. */
  crossesBound: z.boolean().exactOptional(),
  /** The number; null if it is not finite. */
  measured: number,
  ...counted,
  /** Unit of the number; none if absent. */
  unit: text.exactOptional(),
  /** Digits after the point that are shown; chosen by the interval if absent. */
  decimals: z.int().min(0).max(12).exactOptional(),
  /** What the number must be, without equality. */
  bound,
  /** The paper's number for the same quantity. */
  published: z.number().exactOptional(),
  /** Its place in the paper. */
  where: text.exactOptional(),
  /** What a reader of the numbers must know. */
  note: text.exactOptional(),
});

/** A sentence, its number and the bound that decides on it. */
export type Claim = Omit<JudgedClaim, "verdict" | "crossesBound">;
/** A claim with its verdict. */
export type JudgedClaim = z.infer<typeof claimSchema>;
/** What a number must be. */
export type Bound = z.infer<typeof bound>;
/** A constant, or another measured number. */
export type BoundEnd = z.infer<typeof end>;
/** A measured number that a bound is relative to. */
export type Reference = z.infer<typeof reference>;

/** A number as metrics give it; null is one that was not finite. */
export interface Quantity {
  /** The number itself. */
  readonly value: number | null;
  /** Lower end of the interval, in the unit of `value`. */
  readonly low?: number | null;
  /** Upper end of the interval, in the unit of `value`. */
  readonly high?: number | null;
  /** How many windows, scenes or seeds it rests on. */
  readonly n?: number;
  /** What `n` counts and the interval is of, such as "scenes". */
  readonly of?: string;
  /** Unit of the number; none if absent. */
  readonly unit?: string;
  /** Digits after the point that are shown. */
  readonly decimals?: number;
}

/** A number of the paper. */
export interface Published {
  /** The number, in the unit of the measured one. */
  readonly value: number;
  /** Its place, such as "Section 5.5". */
  readonly where: string;
}

/** Whether it is a number that JSON can hold. */
function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

function finite(value: number | null): number | null {
  return isNumber(value) ? value : null;
}

function countedOf({ low, high, n, of }: Quantity) {
  return {
    ...(low === undefined ? {} : { low: finite(low) }),
    ...(high === undefined ? {} : { high: finite(high) }),
    ...(n === undefined ? {} : { n }),
    ...(of === undefined ? {} : { of }),
  };
}

/**
 * States a claim.
 *
 * @param id short name, unique among the claims
 * @param text the sentence; the bound is written out beside it
 * @param measured the number; one that is not finite is kept as null
 * @param bound what it must be
 * @param published the paper's number
 * @param note what a reader of the numbers must know
 */
export function claim(
  id: string,
  text: string,
  measured: Quantity,
  bound: Bound,
  published?: Published,
  note?: string,
): Claim {
  const { value, unit, decimals } = measured;
  return {
    id,
    text,
    measured: finite(value),
    ...countedOf(measured),
    ...(unit === undefined ? {} : { unit }),
    ...(decimals === undefined ? {} : { decimals }),
    bound,
    ...(published === undefined
      ? {}
      : { published: published.value, where: published.where }),
    ...(note === undefined ? {} : { note }),
  };
}

/**
 * Names a measured number, for a bound that is relative to it.
 *
 * @param label as it is called in a sentence, such as "direct regression"
 * @param measured the number, in the unit of the claim
 */
export function named(label: string, measured: Quantity): Reference {
  return { label, value: finite(measured.value), ...countedOf(measured) };
}

/** The number of an end; null if it was not finite. */
function valueOf(end: BoundEnd): number | null {
  return typeof end === "number" ? end : end.value;
}

function checkConstants(...ends: BoundEnd[]): void {
  for (const end of ends) {
    if (typeof end === "number" && !Number.isFinite(end)) {
      throw new RangeError(
        `Cannot bound a claim by ${end}: it needs a finite number`,
      );
    }
  }
}

/**
 * Asks for more than `end`.
 *
 * @throws {RangeError} if a constant is not finite
 */
export function above(end: BoundEnd): Bound {
  checkConstants(end);
  return { above: end };
}

/**
 * Asks for less than `end`.
 *
 * @throws {RangeError} if a constant is not finite
 */
export function below(end: BoundEnd): Bound {
  checkConstants(end);
  return { below: end };
}

/**
 * Asks for more than `lower` and less than `upper`. Measured ends may come in
 * the other order: then no number is between them.
 *
 * @throws {RangeError} if constants are not finite or not in order
 */
export function between(lower: BoundEnd, upper: BoundEnd): Bound {
  checkConstants(lower, upper);
  if (
    typeof lower === "number" && typeof upper === "number" && lower >= upper
  ) {
    throw new RangeError(
      `Cannot bound a claim between ${lower} and ${upper}: the first needs ` +
        `to be less`,
    );
  }
  return { between: [lower, upper] };
}

/** The ends of a bound as they stand in a sentence. */
export function endsOf(bound: Bound): readonly BoundEnd[] {
  if ("between" in bound) return bound.between;
  return ["above" in bound ? bound.above : bound.below];
}

/**
 * Decides on a claim.
 *
 * By the number alone: the bound already holds the margin that is asked for,
 * and a verdict by the interval would turn with the number of windows and not
 * with the model. That the interval is not on one side is said beside the
 * verdict, in both directions. Of a bound that is relative, only the value
 * counts: both numbers are mostly of the same windows, so that intervals that
 * overlap say little. Where that matters, claim the paired difference.
 *
 * @param claim the numbers
 * @param isTested false where numbers mean nothing, as those of smoke
 * @returns "not tested" also where a number is missing; whether the interval
 *   crosses the bound, if there is one
 */
export function judge(
  { measured, low, high, bound }: Omit<Claim, "id" | "text">,
  isTested = true,
): { verdict: Verdict; crossesBound?: boolean } {
  const ends = endsOf(bound).map(valueOf);
  if (!isTested || ![measured, ...ends].every(isNumber)) {
    return { verdict: "not tested" };
  }
  const from = "below" in bound ? -Infinity : ends[0] ?? NaN;
  const to = "above" in bound ? Infinity : ends.at(-1) ?? NaN;
  const value = measured ?? NaN;
  const holds = value > from && value < to;
  const verdict = holds ? "holds" : "does not hold";
  if (!isNumber(low) || !isNumber(high)) return { verdict };
  const isInside = low > from && high < to;
  const isOutside = from >= to || high <= from || low >= to;
  return { verdict, crossesBound: holds ? !isInside : !isOutside };
}

/** The number that a reader sees. */
function seen(x: number, digits: number | undefined): number {
  const text = formatNumber(x, digits);
  return Number(text.replaceAll(",", "").replaceAll("\u2212", "-"));
}

/** Digits after the point at which no number is seen across an end. */
function digitsOf(claim: JudgedClaim): number | undefined {
  const { measured, low, high, decimals, bound } = claim;
  const numbers = [measured, low, high].filter((x) => typeof x === "number");
  const keeps = (digits: number | undefined) =>
    endsOf(bound).every((end) => {
      const value = valueOf(end);
      if (value === null) return true;
      const shown = typeof end === "number" ? end : seen(value, digits);
      return numbers.every((x) =>
        Math.sign(seen(x, digits) - shown) === Math.sign(x - value)
      );
    });
  const first = decimals ?? intervalDecimals(claim);
  const more = Array.from({ length: 13 }, (_, digits) => digits)
    .filter((digits) => digits > (first ?? 2));
  return [first, ...more].find(keeps);
}

/** A number that somebody wrote, as it was written. */
function plain(x: number): string {
  return String(Number(x.toPrecision(12))).replaceAll("-", "\u2212");
}

/**
 * Writes the numbers of a claim out, with every end of its bound.
 *
 * @param claim judged or not
 * @returns values by heading: measured, needed, the paper's, the note
 */
export function evidenceOf(claim: JudgedClaim): Record<string, string> {
  const { measured, bound, published, where, note } = claim;
  const digits = digitsOf(claim);
  const unit = claim.unit === undefined ? "" : ` ${claim.unit}`;
  const quantity = (
    value: number | null,
    { low, high, n, of }: Omit<Reference, "label" | "value">,
  ) => {
    if (value === null) return "no finite number";
    const [from, to] = [low, high].map((x) =>
      typeof x === "number" ? formatNumber(x, digits) : undefined
    );
    return formatNumber(value, digits) + unit +
      (from === undefined || to === undefined ? "" : ` [${from}, ${to}]`) +
      (n === undefined ? "" : `, n = ${formatNumber(n)}`) +
      (n === undefined || of === undefined ? "" : ` ${of}`);
  };
  const [first, last] = endsOf(bound).map((end) =>
    typeof end === "number"
      ? plain(end) + unit
      : `${quantity(end.value, end)} (${end.label})`
  );
  return {
    Measured: quantity(measured, claim),
    Needed: "between" in bound
      ? `between ${first} and ${last}`
      : `${"above" in bound ? "above" : "below"} ${first}`,
    Paper: published === undefined
      ? "no number"
      : `${plain(published)}${unit} (${where})`,
    ...(note === undefined ? {} : { Note: note }),
  };
}
