/**
 * The part of `@std/assert` that this project uses, over `node:assert`.
 *
 * @module
 */
import { deepStrictEqual } from "node:assert/strict";
import { inspect } from "node:util";

/** Thrown when an assertion does not hold. */
export class AssertionError extends Error {
  override name = "AssertionError";
}

/** Asserts that `value` is truthy. */
export function assert(value: unknown, message = ""): asserts value {
  if (!value) throw new AssertionError(message);
}

/** Asserts that `actual` equals `expected`, in depth. */
export function assertEquals<T>(
  actual: T,
  expected: T,
  message?: string,
): void {
  try {
    deepStrictEqual(actual, expected);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new AssertionError(
      message === undefined ? text : `${text}: ${message}`,
    );
  }
}

/** Asserts that two numbers differ by at most `tolerance`. */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance = 1e-7,
  message = "",
): void {
  if (Object.is(actual, expected)) return;
  const delta = Math.abs(expected - actual);
  if (delta <= tolerance) return;
  throw new AssertionError(
    `Expected actual: ${actual} to be close to ${expected}: delta ${delta} is greater than ${tolerance}${
      message && `: ${message}`
    }`,
  );
}

/** Asserts that `actual` and `expected` are the same value by `Object.is`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  message = "",
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  throw new AssertionError(
    `Values are not strictly equal: ${inspect(actual)} and ${
      inspect(expected)
    }${message && `: ${message}`}`,
  );
}

/** Asserts that `actual` contains `expected`. */
export function assertStringIncludes(
  actual: string,
  expected: string,
  message = "",
): void {
  if (actual.includes(expected)) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to contain: "${expected}"${
      message && `: ${message}`
    }`,
  );
}

/** Asserts that `actual` matches `expected`. */
export function assertMatch(
  actual: string,
  expected: RegExp,
  message = "",
): void {
  if (expected.test(actual)) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to match: "${expected}"${
      message && `: ${message}`
    }`,
  );
}

type ErrorClass<E extends Error> = new (...args: never[]) => E;

function checkError<E extends Error>(
  error: unknown,
  errorClass: ErrorClass<E> | undefined,
  includes: string | undefined,
): E {
  if (!(error instanceof Error)) {
    throw new AssertionError("A non-Error object was thrown");
  }
  if (errorClass !== undefined && !(error instanceof errorClass)) {
    throw new AssertionError(
      `Expected error to be instance of "${errorClass.name}", but was "${error.constructor.name}": ${error.message}`,
    );
  }
  if (includes !== undefined && !error.message.includes(includes)) {
    throw new AssertionError(
      `Expected error message to include "${includes}", but got "${error.message}"`,
    );
  }
  return error as E;
}

/** Asserts that `fn` throws, and returns what it threw. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass?: ErrorClass<E>,
  messageIncludes?: string,
): E {
  try {
    fn();
  } catch (error) {
    return checkError(error, errorClass, messageIncludes);
  }
  throw new AssertionError("Expected function to throw");
}

/** Asserts that `fn` rejects, and returns what it rejected with. */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass?: ErrorClass<E>,
  messageIncludes?: string,
): Promise<E> {
  try {
    await fn();
  } catch (error) {
    return checkError(error, errorClass, messageIncludes);
  }
  throw new AssertionError("Expected function to reject");
}
