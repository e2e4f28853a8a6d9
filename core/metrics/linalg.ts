/**
 * Singular values of a matrix, by one-sided Jacobi rotations in float64:
 * accurate to rounding even for small values.
 *
 * Source: Golub & Van Loan, section 8.6.3.
 *
 * @param matrix (rows, columns) in row-major order; not changed
 * @param rows number of rows
 * @param columns number of columns
 * @returns the min(rows, columns) values, largest first
 * @throws {Error} if the rotations do not converge
 */
export function singularValues(
  matrix: Float64Array,
  rows: number,
  columns: number,
): Float64Array {
  // Rows of `a` are rotated against each other; there are the fewer of them.
  const isWide = rows <= columns;
  const count = isWide ? rows : columns;
  const length = isWide ? columns : rows;
  const a = Array.from({ length: count }, (_, i) =>
    Float64Array.from(
      { length },
      (_, k) => matrix[isWide ? i * columns + k : k * columns + i] ?? 0,
    ));
  const dot = (x: Float64Array, y: Float64Array) => {
    let sum = 0;
    for (let k = 0; k < length; k++) sum += (x[k] ?? 0) * (y[k] ?? 0);
    return sum;
  };
  const scale = Math.max(...a.map((row) => dot(row, row)), 0);
  for (let sweep = 0; sweep < 60; sweep++) {
    let isDone = true;
    for (let i = 0; i < count; i++) {
      for (let j = i + 1; j < count; j++) {
        const [x, y] = [a[i]!, a[j]!];
        const xy = dot(x, y);
        const xx = dot(x, x);
        const yy = dot(y, y);
        if (Math.abs(xy) <= 1e-14 * Math.sqrt(xx * yy) + 1e-300) continue;
        if (Math.abs(xy) <= 1e-18 * scale) continue;
        isDone = false;
        const tau = (yy - xx) / (2 * xy);
        const t = (tau >= 0 ? 1 : -1) / (Math.abs(tau) + Math.hypot(1, tau));
        const cos = 1 / Math.hypot(1, t);
        const sin = cos * t;
        for (let k = 0; k < length; k++) {
          const [p, q] = [x[k] ?? 0, y[k] ?? 0];
          x[k] = cos * p - sin * q;
          y[k] = sin * p + cos * q;
        }
      }
    }
    if (isDone) {
      return Float64Array.from(a, (row) => Math.sqrt(dot(row, row)))
        .sort().reverse();
    }
  }
  throw new Error(
    `Cannot find the singular values of a (${rows}, ${columns}) matrix: 60 sweeps did not converge`,
  );
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
