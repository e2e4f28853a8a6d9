/** Rotations allowed for one eigenvalue; two are usual. */
const MOST_ITERATIONS = 60;

function checkMatrix(
  what: string,
  matrix: Float64Array,
  rows: number,
  columns: number,
): void {
  if (
    !Number.isInteger(rows) || !Number.isInteger(columns) || rows < 1 ||
    columns < 1 || matrix.length !== rows * columns
  ) {
    throw new RangeError(
      `Cannot find the ${what} of a (${rows}, ${columns}) matrix: got ${matrix.length} values, needed rows times columns`,
    );
  }
  const bad = matrix.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new RangeError(
      `Cannot find the ${what} of a (${rows}, ${columns}) matrix: the value of row ${
        Math.floor(bad / columns)
      }, column ${bad % columns} is ${matrix[bad]}`,
    );
  }
}

function largest(matrix: Float64Array): number {
  return matrix.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/**
 * Replaces the diagonal of a symmetric tridiagonal matrix by its eigenvalues,
 * in no order, by implicit QL steps with Wilkinson's shift. Errors are some
 * roundings of the largest eigenvalue.
 *
 * Source: EISPACK tql1; Golub & Van Loan, section 8.3.
 *
 * @param d (n) diagonal
 * @param e (n) `e[i]` couples i and i + 1; the last is not used; overwritten
 */
function solveTridiagonal(d: Float64Array, e: Float64Array): void {
  const n = d.length;
  e[n - 1] = 0;
  let scale = 0;
  for (let i = 0; i < n; i++) {
    scale = Math.max(scale, Math.abs(d[i]!) + Math.abs(e[i]!));
  }
  // Relative to the matrix and not to the neighbours on the diagonal, which
  // are zeros in the matrices of `singularValues`.
  const negligible = scale * Number.EPSILON;
  for (let l = 0; l < n; l++) {
    for (let iteration = 0;; iteration++) {
      let m = l;
      while (m < n - 1 && Math.abs(e[m]!) > negligible) m++;
      if (m === l) break;
      if (iteration === MOST_ITERATIONS) {
        throw new Error(
          `Cannot find eigenvalue ${l} of ${n}: ${MOST_ITERATIONS} QL steps did not converge`,
        );
      }
      const half = (d[l + 1]! - d[l]!) / (2 * e[l]!);
      const root = Math.sqrt(half * half + 1);
      let g = d[m]! - d[l]! + e[l]! / (half + (half < 0 ? -root : root));
      let [s, c, p] = [1, 1, 0];
      let i = m - 1;
      for (; i >= l; i--) {
        const f = s * e[i]!;
        const b = c * e[i]!;
        const r = Math.sqrt(f * f + g * g);
        e[i + 1] = r;
        if (r === 0) {
          d[i + 1]! -= p;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1]! - p;
        const t = (d[i]! - g) * s + 2 * c * b;
        p = s * t;
        d[i + 1] = g + p;
        g = c * t - b;
      }
      e[m] = 0;
      if (i >= l) continue;
      d[l]! -= p;
      e[l] = g;
    }
  }
}

/**
 * Eigenvalues of a symmetric matrix: Householder reflections to tridiagonal
 * form, then implicit QL steps, in float64. The errors are some roundings of
 * the largest eigenvalue, also for the small ones.
 *
 * Source: Golub & Van Loan, sections 8.3.1 to 8.3.5.
 *
 * @param matrix (n, n) in row-major order; not changed
 * @param n order
 * @returns the n eigenvalues, smallest first
 * @throws {RangeError} if the length does not fit, or the matrix is not finite
 *   or not symmetric
 * @throws {Error} if the steps do not converge
 */
export function symmetricEigenvalues(
  matrix: Float64Array,
  n: number,
): Float64Array {
  checkMatrix("eigenvalues", matrix, n, n);
  const scale = largest(matrix);
  if (scale === 0) return new Float64Array(n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      const [x, y] = [matrix[i * n + j]!, matrix[j * n + i]!];
      if (Math.abs(x - y) > 1e-10 * scale) {
        throw new RangeError(
          `Cannot find the eigenvalues of a (${n}, ${n}) matrix: it is not symmetric, (${i}, ${j}) is ${x} and (${j}, ${i}) is ${y}`,
        );
      }
    }
  }
  // Scaled so that squares neither overflow nor vanish; the lower half is used.
  const a = Array.from(
    { length: n },
    (_, i) => matrix.slice(i * n, i * n + i + 1).map((x) => x / scale),
  );
  const e = new Float64Array(n);
  const p = new Float64Array(n);
  for (let i = n - 1; i >= 1; i--) {
    const u = a[i]!;
    let rest = 0;
    for (let k = 0; k < i - 1; k++) rest += u[k]! * u[k]!;
    const f = u[i - 1]!;
    if (rest === 0) {
      e[i - 1] = f;
      continue;
    }
    const g = f >= 0 ? -Math.sqrt(rest + f * f) : Math.sqrt(rest + f * f);
    e[i - 1] = g;
    const h = rest + f * f - f * g;
    u[i - 1] = f - g;
    p.fill(0, 0, i);
    for (let j = 0; j < i; j++) {
      const row = a[j]!;
      const x = u[j]!;
      let sum = 0;
      for (let k = 0; k < j; k++) {
        sum += row[k]! * u[k]!;
        p[k]! += row[k]! * x;
      }
      p[j]! += sum + row[j]! * x;
    }
    let up = 0;
    for (let k = 0; k < i; k++) {
      p[k]! /= h;
      up += u[k]! * p[k]!;
    }
    const half = up / (2 * h);
    for (let k = 0; k < i; k++) p[k]! -= half * u[k]!;
    for (let j = 0; j < i; j++) {
      const row = a[j]!;
      const [x, y] = [u[j]!, p[j]!];
      for (let k = 0; k <= j; k++) row[k]! -= x * p[k]! + y * u[k]!;
    }
  }
  const d = Float64Array.from(a, (row, i) => row[i]!);
  solveTridiagonal(d, e);
  return d.map((x) => x * scale).sort();
}

/**
 * Reflector I - beta v v^T that turns a vector into (target, 0, ..., 0); `v`
 * holds the vector and receives the reflector's.
 */
function reflector(
  v: Float64Array,
  start: number,
): { beta: number; target: number } {
  let rest = 0;
  for (let i = start + 1; i < v.length; i++) rest += v[i]! * v[i]!;
  const first = v[start] ?? 0;
  if (rest === 0) {
    v.fill(0, start);
    return { beta: 0, target: first };
  }
  const norm = Math.sqrt(rest + first * first);
  const target = first > 0 ? -norm : norm;
  v[start] = first - target;
  return { beta: 1 / (norm * (norm + Math.abs(first))), target };
}

/**
 * Singular values of a matrix: Householder reflections to bidiagonal form B,
 * then QL steps on the symmetric tridiagonal matrix whose eigenvalues are plus
 * and minus those of B. No product A^T A is formed, so that even values near
 * zero have an error of only some roundings of the largest.
 *
 * Source: Golub & Kahan 1965; Golub & Van Loan, sections 5.4.8 and 8.6.1.
 *
 * @param matrix (rows, columns) in row-major order; not changed
 * @param rows number of rows
 * @param columns number of columns
 * @returns the min(rows, columns) values, largest first
 * @throws {RangeError} if the length does not fit, or a value is not finite
 * @throws {Error} if the steps do not converge
 */
export function singularValues(
  matrix: Float64Array,
  rows: number,
  columns: number,
): Float64Array {
  checkMatrix("singular values", matrix, rows, columns);
  const [m, n] = [Math.max(rows, columns), Math.min(rows, columns)];
  const scale = largest(matrix);
  if (scale === 0) return new Float64Array(n);
  const a = Array.from({ length: m }, (_, i) =>
    Float64Array.from(
      { length: n },
      (_, k) =>
        matrix[rows >= columns ? i * columns + k : k * columns + i]! / scale,
    ));
  // Off-diagonal: B's diagonal and superdiagonal by turns; the diagonal is 0.
  const e = new Float64Array(2 * n);
  const v = new Float64Array(m);
  const w = new Float64Array(n);
  const u = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    for (let i = k; i < m; i++) v[i] = a[i]![k]!;
    const left = reflector(v, k);
    e[2 * k] = left.target;
    w.fill(0, k);
    for (let i = k; i < m; i++) {
      const row = a[i]!;
      const x = left.beta * v[i]!;
      for (let j = k + 1; j < n; j++) w[j]! += x * row[j]!;
    }
    const top = a[k]!;
    for (let j = k + 1; j < n; j++) u[j] = top[j]! - v[k]! * w[j]!;
    if (k + 1 === n) continue;
    const right = reflector(u, k + 1);
    e[2 * k + 1] = right.target;
    for (let i = k + 1; i < m; i++) {
      const row = a[i]!;
      const x = v[i]!;
      let sum = 0;
      for (let j = k + 1; j < n; j++) {
        const y = row[j]! - x * w[j]!;
        row[j] = y;
        sum += u[j]! * y;
      }
      sum *= right.beta;
      for (let j = k + 1; j < n; j++) row[j]! -= sum * u[j]!;
    }
  }
  const d = new Float64Array(2 * n);
  solveTridiagonal(d, e);
  return d.sort().reverse().slice(0, n).map((x) => Math.max(0, x) * scale);
}

/**
 * The triangular factor R of a matrix A = Q R, by Householder reflections:
 * R^T R = A^T A without the rounding of that product.
 *
 * Source: Golub & Van Loan, section 5.2.2.
 *
 * @param matrix (rows, columns) in row-major order; not changed
 * @param rows number of rows
 * @param columns number of columns
 * @returns (min(rows, columns), columns), zero below the diagonal
 * @throws {RangeError} if the length does not fit, or a value is not finite
 */
export function triangularFactor(
  matrix: Float64Array,
  rows: number,
  columns: number,
): Float64Array {
  checkMatrix("triangular factor", matrix, rows, columns);
  const count = Math.min(rows, columns);
  const scale = largest(matrix) || 1;
  const a = Array.from(
    { length: rows },
    (_, i) =>
      matrix.slice(i * columns, (i + 1) * columns).map((x) => x / scale),
  );
  const v = new Float64Array(rows);
  const w = new Float64Array(columns);
  const result = new Float64Array(count * columns);
  for (let k = 0; k < count; k++) {
    for (let i = k; i < rows; i++) v[i] = a[i]![k]!;
    const { beta, target } = reflector(v, k);
    w.fill(0, k);
    for (let i = k; i < rows; i++) {
      const row = a[i]!;
      const x = beta * v[i]!;
      for (let j = k + 1; j < columns; j++) w[j]! += x * row[j]!;
    }
    for (let i = k; i < rows; i++) {
      const row = a[i]!;
      const x = v[i]!;
      for (let j = k + 1; j < columns; j++) row[j]! -= x * w[j]!;
    }
    a[k]![k] = target;
    for (let j = k; j < columns; j++) {
      result[k * columns + j] = a[k]![j]! * scale;
    }
  }
  return result;
}

/**
 * The Cholesky factor L of a symmetric positive definite matrix A = L L^T.
 *
 * Source: Golub & Van Loan, section 4.2.
 *
 * @param matrix (n, n) in row-major order, of which the lower triangle is read;
 *   not changed
 * @param n order
 * @returns (n, n), zero above the diagonal
 * @throws {RangeError} if the length does not fit, a value is not finite, or
 *   the matrix is not positive definite
 */
export function choleskyFactor(
  matrix: Float64Array,
  n: number,
): Float64Array {
  checkMatrix("Cholesky factor", matrix, n, n);
  const factor = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const row = factor.subarray(i * n, (i + 1) * n);
    for (let j = 0; j <= i; j++) {
      let rest = matrix[i * n + j]!;
      for (let k = 0; k < j; k++) rest -= row[k]! * factor[j * n + k]!;
      if (j < i) row[j] = rest / factor[j * n + j]!;
      else if (rest > 0) row[i] = Math.sqrt(rest);
      else {
        throw new RangeError(
          `Cannot find the Cholesky factor of a (${n}, ${n}) matrix: it is not positive definite, pivot ${i} is ${rest}`,
        );
      }
    }
  }
  return factor;
}

/**
 * Scalar products of all rows of one matrix with all rows of another, a b^T.
 *
 * @param a (n, width) in row-major order
 * @param b (m, width); the same array as `a` halves the work
 * @param width length of a row
 * @returns (n, m)
 */
export function rowProducts(
  a: Float64Array,
  b: Float64Array,
  width: number,
): Float64Array {
  const [n, m] = [a.length / width, b.length / width];
  const c = new Float64Array(n * m);
  const isSymmetric = a === b;
  for (let i = 0; i < n; i++) {
    const x = a.subarray(i * width, (i + 1) * width);
    let j = isSymmetric ? i : 0;
    // Four at once: a value of `a` is read once for four products.
    for (; j + 4 <= m; j += 4) {
      const at = j * width;
      let [s0, s1, s2, s3] = [0, 0, 0, 0];
      for (let k = 0; k < width; k++) {
        const value = x[k]!;
        s0 += value * b[at + k]!;
        s1 += value * b[at + width + k]!;
        s2 += value * b[at + 2 * width + k]!;
        s3 += value * b[at + 3 * width + k]!;
      }
      c.set([s0, s1, s2, s3], i * m + j);
    }
    for (; j < m; j++) {
      let sum = 0;
      for (let k = 0; k < width; k++) sum += x[k]! * b[j * width + k]!;
      c[i * m + j] = sum;
    }
    if (!isSymmetric) continue;
    for (let k = i + 1; k < m; k++) c[k * m + i] = c[i * m + k]!;
  }
  return c;
}

/**
 * Eigenvalues and vectors of a symmetric matrix, by Jacobi rotations.
 *
 * @param matrix (n, n); not changed
 * @param n order
 * @returns values, and vectors as rows
 * @throws {Error} if the rotations do not converge
 */
export function symmetricEigen(
  matrix: Float64Array,
  n: number,
): { values: Float64Array; vectors: Float64Array[] } {
  const a = Array.from(
    { length: n },
    (_, i) => matrix.slice(i * n, (i + 1) * n),
  );
  const v = Array.from({ length: n }, (_, i) => {
    const row = new Float64Array(n);
    row[i] = 1;
    return row;
  });
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    let all = 0;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        const square = (a[i]![j] ?? 0) ** 2;
        all += square;
        if (i !== j) off += square;
      }
    }
    if (off <= 1e-28 * all) {
      return {
        values: Float64Array.from(a, (row, i) => row[i] ?? 0),
        vectors: v,
      };
    }
    for (let i = 0; i < n; i++) {
      for (let j = i + 1; j < n; j++) {
        const [x, y] = [a[i]!, a[j]!];
        const xy = x[j] ?? 0;
        if (xy === 0) continue;
        const tau = ((y[j] ?? 0) - (x[i] ?? 0)) / (2 * xy);
        const t = (tau >= 0 ? 1 : -1) / (Math.abs(tau) + Math.hypot(1, tau));
        const cos = 1 / Math.hypot(1, t);
        const sin = cos * t;
        const turn = (p: Float64Array, q: Float64Array) => {
          for (let k = 0; k < n; k++) {
            const [s, u] = [p[k] ?? 0, q[k] ?? 0];
            p[k] = cos * s - sin * u;
            q[k] = sin * s + cos * u;
          }
        };
        turn(x, y);
        for (const row of a) {
          const [s, u] = [row[i] ?? 0, row[j] ?? 0];
          row[i] = cos * s - sin * u;
          row[j] = sin * s + cos * u;
        }
        turn(v[i]!, v[j]!);
      }
    }
  }
  throw new Error(
    `Cannot find the eigenvalues of a (${n}, ${n}) matrix: 60 sweeps did not converge`,
  );
}
