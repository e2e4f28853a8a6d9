/** Steps after which a continued fraction has long converged. */
const MOST_STEPS = 1000;

/** Relative size of a step that no longer counts. */
const NEGLIGIBLE = 1e-16;

/** Instead of a zero in a denominator. */
const TINY = 1e-300;

/** Lanczos' coefficients for g = 607/128. */
const LANCZOS = [
  0.99999999999999709182,
  57.156235665862923517,
  -59.597960355475491248,
  14.136097974741747174,
  -0.49191381609762019978,
  .33994649984811888699e-4,
  .46523628927048575665e-4,
  -.98374475304879564677e-4,
  .15808870322491248884e-3,
  -.21026444172410488319e-3,
  .21743961811521264320e-3,
  -.16431810653676389022e-3,
  .84418223983852743293e-4,
  -.26190838401581408670e-4,
  .36899182659531622704e-5,
];

/**
 * The logarithm of the gamma function.
 *
 * Source: Lanczos 1964, with Godfrey's coefficients.
 *
 * @param x above 0
 */
export function logGamma(x: number): number {
  const [first = 0, ...rest] = LANCZOS;
  let sum = first;
  for (const [i, coefficient] of rest.entries()) sum += coefficient / (x + i);
  const shifted = x + 607 / 128 - 0.5;
  return (x - 0.5) * Math.log(shifted) - shifted +
    Math.log(sum * Math.sqrt(2 * Math.PI));
}

/** b0 + a1/(b1 + a2/(b2 + ...)) by Lentz's method. */
function continuedFraction(
  first: number,
  step: (i: number) => readonly [a: number, b: number],
): number {
  const safe = (x: number) => Math.abs(x) < TINY ? TINY : x;
  let value = safe(first);
  let [c, d] = [value, 0];
  for (let i = 1; i < MOST_STEPS; i++) {
    const [a, b] = step(i);
    d = 1 / safe(b + a * d);
    c = safe(b + a / c);
    value *= c * d;
    if (Math.abs(c * d - 1) < NEGLIGIBLE) break;
  }
  return value;
}

/**
 * The regularized incomplete beta function I_x(a, b).
 *
 * Source: Abramowitz & Stegun, 26.5.8 and 6.6.3.
 *
 * @param x from 0 to 1
 * @param a above 0
 * @param b above 0
 */
export function regularizedBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast on this side of the mean.
  if (x > (a + 1) / (a + b + 2)) return 1 - regularizedBeta(1 - x, b, a);
  const scale = Math.exp(
    logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) +
      b * Math.log1p(-x),
  );
  const fraction = continuedFraction(1, (i) => {
    const m = Math.floor(i / 2);
    const k = a + 2 * m;
    return i % 2 === 0
      ? [m * (b - m) * x / ((k - 1) * k), 1]
      : [-(a + m) * (a + b + m) * x / (k * (k + 1)), 1];
  });
  return scale / (a * fraction);
}

/**
 * How likely Student's t is at least as far from 0, on either side.
 *
 * @param t statistic
 * @param df degrees of freedom, above 0
 * @returns from 0 to 1; also far tails to a relative 1e-11
 */
export function studentTwoSided(t: number, df: number): number {
  return regularizedBeta(df / (df + t * t), df / 2, 0.5);
}

/**
 * How likely a standard normal number is at least as far from 0, on either
 * side: erfc(|z| / sqrt(2)).
 *
 * Source: Abramowitz & Stegun, 7.1.6 near 0 and 7.1.14 in the tail.
 *
 * @param z statistic
 * @returns from 0 to 1; also far tails to a relative 1e-13
 */
export function normalTwoSided(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const density = Math.exp(-x * x) / Math.sqrt(Math.PI);
  if (x < 2) {
    let [term, sum] = [x, x];
    for (let n = 1; term > sum * NEGLIGIBLE; n++) {
      term *= 2 * x * x / (2 * n + 1);
      sum += term;
    }
    return 1 - 2 * density * sum;
  }
  return density / continuedFraction(x, (i) => [i / 2, x]);
}
