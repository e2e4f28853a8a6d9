import { z } from "zod";

/** A driven session: where it began, and what was done. */
export interface DriveLog {
  /** Scene that it began in. */
  readonly scene: string;
  /** Keyframe of the scene that it began at. */
  readonly start: number;
  /** Steering and acceleration of each step of half a second, normalized. */
  readonly actions: readonly (readonly [steer: number, accel: number])[];
}

const share = z.number().min(-1).max(1);

const schema = z.object({
  scene: z.string().min(1),
  start: z.int().min(0),
  actions: z.array(z.tuple([share, share])).min(1),
});

/**
 * Reads the log of a driven session. Further fields are left alone.
 *
 * @param path of a JSON file: `{ scene, start, actions: [[steer, accel], ...] }`
 * @throws {Error} if there is no such file
 * @throws {SyntaxError} if it is no JSON
 * @throws {TypeError} naming the first field at fault
 */
export async function readDriveLog(path: string): Promise<DriveLog> {
  const needed =
    'needed {"scene": "NAME", "start": 0, "actions": [[steer, accel], ...]}, actions from -1 to 1';
  const text = await Deno.readTextFile(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Error(`Cannot read "${path}": there is no such file; ${needed}`);
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new SyntaxError(`Cannot read "${path}": it is no JSON; ${needed}`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path: field = [], message = "" } = result.error.issues[0] ?? {};
  throw new TypeError(
    `Cannot read "${path}": ${
      field.length === 0 ? "" : `${field.join(".")}: `
    }${message}; ${needed}`,
  );
}
