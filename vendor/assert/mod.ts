/**
 * The part of `@std/assert` that this project uses.
 *
 * @module
 */
import { deepStrictEqual } from "node:assert/strict";
import { inspect } from "node:util";
import { equal } from "./equal.ts";

/** Thrown when an assertion does not hold. */
export class AssertionError extends Error {
  /** The name of the class. */
  override name = "AssertionError";
}

function suffix(msg: string | undefined): string {
  return msg ? `: ${msg}` : "";
}

/**
 * Asserts that a value is truthy.
 *
 * @param expr the value
 * @param msg the message of the error
 * @throws {AssertionError} if it is not
 */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Describes how two unequal values differ. */
function difference(actual: unknown, expected: unknown): string {
  const isLong = (value: unknown): value is ArrayLike<unknown> =>
    ArrayBuffer.isView(value) && "length" in value;
  // A printed difference of two long arrays takes minutes.
  if (isLong(actual) && isLong(expected)) {
    if (actual.length !== expected.length) {
      return `lengths ${actual.length} and ${expected.length}`;
    }
    const indices = Array.from(actual, (_, i) => i)
      .filter((i) => !equal(actual[i], expected[i]));
    const [first = 0] = indices;
    return `${indices.length} of ${actual.length} elements differ, first ` +
      `[${first}]: ${actual[first]} instead of ${expected[first]}`;
  }
  try {
    deepStrictEqual(actual, expected);
  } catch (error) {
    if (error instanceof Error) return error.message;
  }
  return `${inspect(actual)} instead of ${inspect(expected)}`;
}

/**
 * Asserts that two values are equal in depth.
 *
 * @param actual the value to check
 * @param expected the value it must equal
 * @param msg added to the message of the error
 * @throws {AssertionError} if they are not equal
 */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  throw new AssertionError(
    `Values are not equal${suffix(msg) || "."}\n${
      difference(actual, expected)
    }`,
  );
}

/** Fails if the values are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  let isEqual = true;
  try {
    assertEquals(actual, expected);
  } catch {
    isEqual = false;
  }
  assert(!isEqual, msg ?? "Expected values that differ, got equal ones.");
}

/**
 * Asserts that two numbers are close.
 *
 * @param actual the number to check
 * @param expected the number it must be close to
 * @param tolerance the largest difference; 1e-7 of `expected` if not given
 * @param msg added to the message of the error
 * @throws {AssertionError} if they differ by more, or one is not a number
 */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void {
  if (Object.is(actual, expected)) return;
  const delta = Math.abs(expected - actual);
  const limit = tolerance ??
    (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  if (delta <= limit) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to be close to "${expected}": delta ` +
      `"${delta}" is greater than "${limit}"${suffix(msg)}`,
  );
}

/**
 * Asserts that two values are the same by `Object.is`.
 *
 * @param actual the value to check
 * @param expected the value it must be
 * @param msg added to the message of the error
 * @throws {AssertionError} if they are not the same
 */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  throw new AssertionError(
    `Values are not strictly equal${suffix(msg) || "."}\n${inspect(actual)} ` +
      `instead of ${inspect(expected)}`,
  );
}

/**
 * Asserts that a text contains another.
 *
 * @param actual the text to check
 * @param expected the text it must contain
 * @param msg added to the message of the error
 * @throws {AssertionError} if it does not
 */
export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void {
  if (actual.includes(expected)) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to contain: "${expected}"${suffix(msg)}`,
  );
}

/**
 * Asserts that a text matches an expression.
 *
 * @param actual the text to check
 * @param expected the expression
 * @param msg added to the message of the error
 * @throws {AssertionError} if it does not
 */
export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  if (expected.test(actual)) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to match: "${expected}"${suffix(msg)}`,
  );
}

/** A class of errors. */
export type ErrorClass<E extends Error> = abstract new (...args: never[]) => E;

function checkError<E extends Error>(
  error: unknown,
  errorClass: ErrorClass<E>,
  msgIncludes: string | undefined,
  msg: string | undefined,
): E {
  if (!(error instanceof Error)) {
    throw new AssertionError(`A non-Error object was thrown${suffix(msg)}`);
  }
  if (!(error instanceof errorClass)) {
    throw new AssertionError(
      `Expected error to be instance of "${errorClass.name}", but was ` +
        `"${error.constructor.name}": ${error.message}${suffix(msg)}`,
    );
  }
  if (msgIncludes !== undefined && !error.message.includes(msgIncludes)) {
    throw new AssertionError(
      `Expected error message to include "${msgIncludes}", but got ` +
        `"${error.message}"${suffix(msg)}`,
    );
  }
  return error;
}

/**
 * Asserts that a function throws, whatever it throws.
 *
 * @param fn the function
 * @param msg added to the message of the error
 * @returns what it threw
 * @throws {AssertionError} if it does not throw
 */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/**
 * Asserts that a function throws an error of a class.
 *
 * @param fn the function
 * @param errorClass the class of the error
 * @param msgIncludes a part of the error's message
 * @param msg added to the message of the assertion's own error
 * @returns the error it threw
 * @throws {AssertionError} if it throws nothing or something else
 */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  classOrMsg?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  const text = typeof classOrMsg === "string" ? classOrMsg : msg;
  try {
    fn();
  } catch (error) {
    return typeof classOrMsg === "function"
      ? checkError(error, classOrMsg, msgIncludes, msg)
      : error;
  }
  throw new AssertionError(`Expected function to throw${suffix(text) || "."}`);
}

/**
 * Asserts that a function's promise rejects, whatever it rejects with.
 *
 * @param fn the function
 * @param msg added to the message of the error
 * @returns what it rejected with
 * @throws {AssertionError} if it fulfils, or the function itself throws
 */
export function assertRejects(
  fn: () => PromiseLike<unknown>,
  msg?: string,
): Promise<unknown>;
/**
 * Asserts that a function's promise rejects with an error of a class.
 *
 * @param fn the function
 * @param errorClass the class of the error
 * @param msgIncludes a part of the error's message
 * @param msg added to the message of the assertion's own error
 * @returns the error it rejected with
 * @throws {AssertionError} if it fulfils, rejects with something else, or the
 *   function itself throws
 */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: ErrorClass<Error> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const text = typeof classOrMsg === "string" ? classOrMsg : msg;
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch {
    throw new AssertionError(
      `Function throws when expected to reject${suffix(text) || "."}`,
    );
  }
  try {
    await promise;
  } catch (error) {
    return typeof classOrMsg === "function"
      ? checkError(error, classOrMsg, msgIncludes, msg)
      : error;
  }
  throw new AssertionError(
    `Expected function to reject${suffix(text) || "."}`,
  );
}
