import { driveOn, type DriveState } from "../data/driveworld/driver.ts";
import { frameScene } from "../data/driveworld/frame.ts";
import { renderFrames } from "../data/driveworld/render.ts";
import {
  describe,
  makeWorld,
  ROAD_LENGTH,
  roadAt,
  type World,
} from "../data/driveworld/world.ts";
import { type Action, measuredAction } from "../data/scene.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { clamp, type DrivenFrames, recordedDrive } from "./drives.ts";
import { FRAME_SIDE } from "./frame_set.ts";

/** m/s that no driver goes beyond. */
const MOST_SPEED = 20;

/** rad from the road's heading beyond which it is not drawn. */
const OUT_OF_SIGHT = 1.35;

/** Metres before its end up to which the road is drawn. */
const ROAD_LEFT = 60;

/**
 * The embedded world under the same actions: its driver's bicycle model and its
 * ray caster.
 */
export class Truth {
  /** The place. */
  readonly world: World;
  /** Its drive as recorded. */
  readonly recorded: DrivenFrames;
  readonly #gpu: Gpu;
  #state: DriveState;
  #keyframe: number;
  #isOnRecord = true;
  #end: string | undefined;

  /**
   * Stands at a keyframe of the recorded drive.
   *
   * @param gpu device
   * @param scene seed of the world
   * @param start keyframe
   * @throws {RangeError} if the drive has no such keyframe
   */
  constructor(gpu: Gpu, scene: number, start: number) {
    this.#gpu = gpu;
    this.world = makeWorld(scene);
    this.recorded = recordedDrive(this.world);
    const state = this.recorded.states[start];
    if (state === undefined) {
      throw new RangeError(
        `Cannot begin at keyframe ${start}: scene ${scene} has ${this.recorded.states.length} of them, from 0`,
      );
    }
    this.#state = state;
    this.#keyframe = start;
  }

  /** What a person would call the place. */
  get title(): string {
    return describe(this.world);
  }

  /** Where the ego is. */
  get state(): DriveState {
    return this.#state;
  }

  /** Why the world ends here; absent while it goes on. */
  get end(): string | undefined {
    return this.#end;
  }

  /** Whether nothing but the recorded actions happened until now. */
  get isOnRecord(): boolean {
    return this.#isOnRecord;
  }

  /** The recorded action at this time; nothing is done after the drive's end. */
  get recordedAction(): Action {
    return this.recorded.actions[this.#keyframe] ?? { steer: 0, accel: 0 };
  }

  /**
   * Drives half a second.
   *
   * @param action normalized; absent for the recorded one
   */
  step(action?: Action): void {
    const next = this.recorded.states[this.#keyframe + 1];
    const { steerRad, accelMps2 } = measuredAction(
      action ?? this.recordedAction,
    );
    this.#keyframe++;
    if (this.#end !== undefined) return;
    if (action === undefined && this.#isOnRecord && next !== undefined) {
      this.#state = next;
      return;
    }
    this.#isOnRecord = false;
    const { speed } = this.#state;
    const most = (MOST_SPEED - speed) / 0.5;
    this.#state = driveOn(this.world, this.#state, [{
      steeringWheel: steerRad,
      acceleration: clamp(accelMps2, -10, Math.max(0, most)),
    }])[0]!;
  }

  /**
   * Draws what the camera sees; remembers why, where it sees nothing any more.
   *
   * @returns (side, side, 3) levels, or undefined beyond the world's end
   */
  async draw(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (this.#end !== undefined) return undefined;
    const scene = this.#scene(this.#state);
    if (scene === undefined) return undefined;
    return await renderFrames(this.#gpu, [scene], [FRAME_SIDE, FRAME_SIDE]);
  }

  /**
   * Draws a keyframe of the recorded drive.
   *
   * @param keyframe from 0
   * @returns (side, side, 3) levels, or undefined where there is none
   */
  async drawRecorded(
    keyframe: number,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const state = this.recorded.states[keyframe];
    if (state === undefined) return undefined;
    const scene = frameScene(this.world, state);
    return await renderFrames(this.#gpu, [scene], [FRAME_SIDE, FRAME_SIDE]);
  }

  #scene(state: DriveState) {
    const turn = state.yaw - roadAt(this.world.road, state.s).heading;
    if (state.s > ROAD_LENGTH - ROAD_LEFT) this.#end = "the road ends";
    else if (Math.cos(turn) < Math.cos(OUT_OF_SIGHT)) {
      this.#end = "the road is out of sight";
    }
    return this.#end === undefined ? frameScene(this.world, state) : undefined;
  }
}
