/** What a driver does over one step, in SI units. */
export interface DrivenStep {
  /** Turn of the steering wheel, rad, positive to the left. */
  readonly steerRad: number;
  /** Longitudinal acceleration, m/s^2. */
  readonly accelMps2: number;
}

/** A place on a plane, in the frame of the car at the start. */
export interface PathPoint {
  /** Metres ahead. */
  readonly x: number;
  /** Metres to the left. */
  readonly y: number;
}

/** The car that actions move. */
export interface PathStart {
  /** Speed at the start, m/s. */
  readonly speedMps: number;
  /** Curvature of the path for an angle of the wheel, 1/m for 1 rad. */
  readonly curvaturePerRad: number;
  /** Seconds that an action is held. */
  readonly stepSeconds: number;
}

/** (1 - cos x) / x and sin(x) / x, near 0 by their series. */
function arc(x: number): readonly [across: number, along: number] {
  return Math.abs(x) < 1e-4
    ? [x / 2, 1 - x * x / 6]
    : [(1 - Math.cos(x)) / x, Math.sin(x) / x];
}

/**
 * Integrates actions, each held for a step, by the kinematic bicycle model for
 * small angles: the path of a step is an arc of curvature gain * angle. The car
 * stops at speed 0 and does not go back. Exact, whatever the step.
 *
 * Source: Rajamani 2012, equation 2.1, at the rear axle, tan(x) = x.
 *
 * @param actions (H)
 * @param start speed, gain, duration of a step
 * @returns (H + 1) places, the first one is the start
 * @throws {RangeError} if the speed is negative or a number is not finite
 */
export function bicyclePath(
  actions: readonly DrivenStep[],
  { speedMps, curvaturePerRad, stepSeconds }: PathStart,
): PathPoint[] {
  const all = [speedMps, curvaturePerRad, stepSeconds];
  const bad = [
    ...all,
    ...actions.flatMap(({ steerRad, accelMps2 }) => [steerRad, accelMps2]),
  ].find((value) => !Number.isFinite(value));
  if (bad !== undefined || speedMps < 0) {
    throw new RangeError(
      `Cannot integrate a path from speed ${speedMps} m/s${
        bad === undefined ? "" : ` with ${bad}`
      }: needed finite numbers and a speed of at least 0`,
    );
  }
  let [x, y, yaw, speed] = [0, 0, 0, speedMps];
  const path = [{ x, y }];
  for (const { steerRad, accelMps2 } of actions) {
    const end = speed + accelMps2 * stepSeconds;
    const length = end >= 0
      ? (speed + end) / 2 * stepSeconds
      : -speed * speed / (2 * accelMps2);
    const turn = curvaturePerRad * steerRad * length;
    const [across, along] = arc(turn);
    x += length * (along * Math.cos(yaw) - across * Math.sin(yaw));
    y += length * (along * Math.sin(yaw) + across * Math.cos(yaw));
    yaw += turn;
    speed = Math.max(0, end);
    path.push({ x, y });
  }
  return path;
}

/**
 * How far apart two paths are at each of their places.
 *
 * @param path (n)
 * @param other (n)
 * @returns (n) metres
 * @throws {RangeError} if they are not equally long
 */
export function pathDistances(
  path: readonly PathPoint[],
  other: readonly PathPoint[],
): number[] {
  if (path.length !== other.length) {
    throw new RangeError(
      `Cannot compare paths of ${path.length} and ${other.length} places: needed equally many`,
    );
  }
  return path.map(({ x, y }, i) =>
    Math.hypot(x - other[i]!.x, y - other[i]!.y)
  );
}
