import { frameScene } from "../data/driveworld/frame.ts";
import { renderFrames } from "../data/driveworld/render.ts";
import { makeWorld } from "../data/driveworld/world.ts";
import type { LatentRows } from "../data/latents.ts";
import type { AutoencoderKL } from "../encoders/autoencoder_kl.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { permute } from "../ops/permute.ts";
import { noGrad } from "../tensor/autograd.ts";
import { tensor } from "../tensor/create.ts";
import type { FrameLatents } from "../training/window_tokens.ts";
import { type DrivenFrames, recordedDrive, wanderingDrive } from "./drives.ts";

/** Side of a frame in pixels. */
export const FRAME_SIDE = 64;

/** Frames that are encoded at once. */
const AT_ONCE = 16;

/** Latents of drives, in memory. */
export interface DrivenLatents extends FrameLatents {
  /** Scene of each frame, in the order of rows. */
  readonly frameScenes: readonly number[];
}

/** Rows of latents in memory. */
function rowsOf(values: Float32Array<ArrayBuffer>, size: number): LatentRows {
  return {
    frames: values.length / size,
    size,
    read: (start, end) => values.slice(start * size, end * size),
  };
}

/**
 * Encodes images to scaled mean latents.
 *
 * @param gpu device
 * @param vae that encodes them
 * @param levels (n, side, side, 3) from 0 to 255
 * @param side in pixels, a multiple of the autoencoder's factor
 * @returns (n, channels, side / factor, side / factor)
 */
export async function encodeFrames(
  gpu: Gpu,
  vae: AutoencoderKL,
  levels: Uint8Array,
  side: number,
): Promise<Float32Array<ArrayBuffer>> {
  const pixels = side * side * 3;
  const parts: Float32Array[] = [];
  for (let i = 0; i < levels.length; i += AT_ONCE * pixels) {
    using _ = gpu.scope();
    const some = levels.subarray(i, i + AT_ONCE * pixels);
    const images = tensor(gpu, Float32Array.from(some, (x) => x / 127.5 - 1))
      .reshape([some.length / pixels, side, side, 3]);
    const z = noGrad(() => permute(vae.encode(images), [0, 3, 1, 2]));
    parts.push(await z.read() as Float32Array);
  }
  const all = new Float32Array(parts.reduce((n, { length }) => n + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * Drives through scenes of the embedded world and encodes what is seen: as
 * recorded in those of even seeds, and wandering in the others.
 *
 * @param gpu device
 * @param vae that encodes the frames
 * @param seeds of the scenes
 * @param progress told after every scene; what it throws ends the work
 */
export async function drivenLatents(
  gpu: Gpu,
  vae: AutoencoderKL,
  seeds: readonly number[],
  progress: (done: number, total: number) => void,
): Promise<DrivenLatents> {
  const side = FRAME_SIDE / vae.factor;
  const shape = [4, side, side] as const;
  const parts: Float32Array[] = [];
  const actions: number[] = [];
  const frameScenes: number[] = [];
  for (const [scene, seed] of seeds.entries()) {
    progress(scene, seeds.length);
    const world = makeWorld(seed);
    const driven: DrivenFrames = seed % 2 === 0
      ? recordedDrive(world)
      : wanderingDrive(world, 0);
    const seen = driven.states.map((state) => frameScene(world, state));
    const levels = await renderFrames(gpu, seen, [FRAME_SIDE, FRAME_SIDE]);
    parts.push(await encodeFrames(gpu, vae, levels, FRAME_SIDE));
    for (const { steer, accel } of driven.actions) {
      actions.push(steer, accel);
      frameScenes.push(scene);
    }
  }
  progress(seeds.length, seeds.length);
  const size = 4 * side * side;
  const values = new Float32Array(frameScenes.length * size);
  let at = 0;
  for (const part of parts) {
    values.set(part, at);
    at += part.length;
  }
  return {
    latents: rowsOf(values, size),
    shape,
    actions: Float32Array.from(actions),
    frameScenes,
  };
}
