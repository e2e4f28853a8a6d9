import { drive } from "../data/driveworld/driver.ts";
import { frameScene } from "../data/driveworld/frame.ts";
import { renderFrames } from "../data/driveworld/render.ts";
import { cameraFrames } from "../data/driveworld/sweeps.ts";
import { makeWorld } from "../data/driveworld/world.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { SceneFacts, SceneFrames } from "../training/stand_ins/frames.ts";

/**
 * Draws training scenes of the embedded world into memory.
 *
 * @param gpu device
 * @param count seeds from 0: the training scenes come first
 * @param options side of a frame; frames at 12 Hz instead of keyframes; told
 *   before every scene, what it throws ends the work
 */
export async function drawnSceneFrames(
  gpu: Gpu,
  count: number,
  { side, sweeps, progress }: {
    readonly side: number;
    readonly sweeps: boolean;
    readonly progress: (done: number, total: number) => void;
  },
): Promise<SceneFrames> {
  const facts: SceneFacts[] = [];
  const vehicles: number[] = [];
  let levels = new Uint8Array();
  let perScene = 0;
  for (let seed = 0; seed < count; seed++) {
    progress(seed, count);
    const world = makeWorld(seed);
    const shown = cameraFrames(drive(world), sweeps);
    const seen = shown.map(({ state }) => frameScene(world, state));
    const drawn = await renderFrames(gpu, seen, [side, side]);
    perScene = shown.length;
    if (seed === 0) levels = new Uint8Array(count * drawn.length);
    levels.set(drawn, seed * drawn.length);
    vehicles.push(...seen.map((frame) => frame.facts.vehicles));
    facts.push({
      style: world.style,
      weather: [world.night, world.rain, world.fog].map(Number),
      lanes: [world.ownLanes - 1, world.otherLanes - 1],
    });
  }
  return { side, perScene, levels, facts, vehicles };
}
