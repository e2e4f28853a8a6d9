type Keyed = Record<PropertyKey, unknown>;
type View = ArrayBufferView & ArrayLike<number | bigint>;

function haveSameKind(a: object, b: object): boolean {
  const [one, other] = [a.constructor, b.constructor];
  return one === other ||
    one === Object && other === undefined ||
    one === undefined && other === Object;
}

function sameNumbers(a: View, b: View): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i], b[i]];
    if (x !== y && !(Number.isNaN(x) && Number.isNaN(y))) return false;
  }
  return true;
}

function isView(value: object): value is View {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

/**
 * Tells whether two values are equal in depth.
 *
 * Numbers are equal by value, so that 0 equals -0, and NaN equals NaN; objects
 * need the same constructor and the same own properties; order does not matter
 * in sets and maps.
 *
 * @param a a value
 * @param b another
 * @returns whether they are equal
 */
export function equal(a: unknown, b: unknown): boolean {
  const seen = new Map<unknown, unknown>();

  function compare(x: unknown, y: unknown): boolean {
    if (x === y || Object.is(x, y)) return true;
    if (
      typeof x !== "object" || typeof y !== "object" || x === null || y === null
    ) return false;
    if (!haveSameKind(x, y)) return false;
    if (x instanceof RegExp || x instanceof URL) return String(x) === String(y);
    if (x instanceof Date && y instanceof Date) {
      return Object.is(x.getTime(), y.getTime());
    }
    if (isView(x) && isView(y)) return sameNumbers(x, y);
    if (x instanceof ArrayBuffer && y instanceof ArrayBuffer) {
      return sameNumbers(new Uint8Array(x), new Uint8Array(y));
    }
    if (seen.get(x) === y) return true;
    seen.set(x, y);
    if (x instanceof Set && y instanceof Set) {
      return x.size === y.size &&
        [...x].every((item) =>
          y.has(item) || [...y].some((other) => compare(item, other))
        );
    }
    if (x instanceof Map && y instanceof Map) {
      return x.size === y.size &&
        [...x].every(([key, value]) =>
          y.has(key)
            ? compare(value, y.get(key))
            : [...y].some(([otherKey, other]) =>
              compare(key, otherKey) && compare(value, other)
            )
        );
    }
    const keys = Reflect.ownKeys(x);
    return keys.length === Reflect.ownKeys(y).length &&
      keys.every((key) =>
        Object.hasOwn(y, key) && compare((x as Keyed)[key], (y as Keyed)[key])
      );
  }

  return compare(a, b);
}
