/**
 * What the readers of a dataset make: scenes of keyframes with actions.
 *
 * @module
 */

/** What the driver does at one keyframe, normalized; float32 values. */
export interface Action {
  /** Steering, positive to the left; fixed scaling: radians / 6 in [-1, 1]. */
  readonly steer: number;
  /** Longitudinal; fixed scaling: (m/s^2) / 10 in [-1, 1]. */
  readonly accel: number;
}

/** One camera frame at 2 Hz with what was measured at its time. */
export interface Keyframe {
  /** Token of the row in sample.json. */
  readonly sampleToken: string;
  /** Time of the sample, microseconds. */
  readonly timestamp: number;
  /** Image file, from the dataset's root, with forward slashes. */
  readonly imagePath: string;
  /** Width and height in pixels, where the tables state them. */
  readonly imageSize?: readonly [width: number, height: number];
  /** Steering-wheel angle in radians, positive to the left. */
  readonly steerRaw: number;
  /** Longitudinal acceleration in m/s^2. */
  readonly accelRaw: number;
  /** The same two, normalized. */
  readonly action: Action;
}

/** Name of one of the three parts of a dataset. */
export type SplitName = "train" | "val" | "test";

/** A drive without interruption, about 20 s. */
export interface Scene {
  /** Such as "scene-0061". */
  readonly name: string;
  /** Token of the row in scene.json. */
  readonly token: string;
  /** Free text; holds "night" and "rain" where they apply. */
  readonly description: string;
  /** Name of the recording, where the tables state it. */
  readonly logfile?: string;
  /** The part that it belongs to, once split. */
  readonly split?: SplitName;
  /** In order of time. */
  readonly keyframes: readonly Keyframe[];
}

/** How raw measurements become an {@linkcode Action}. */
export type ActionScaling =
  | {
    /** Steering / 6 rad and acceleration / 10 m/s^2, both clipped to [-1, 1]. */
    readonly kind: "fixed";
  }
  | {
    /** Minus the mean, over the standard deviation; not clipped. */
    readonly kind: "zscore";
    /** Of steering (rad) and acceleration (m/s^2), over training keyframes. */
    readonly mean: readonly [steer: number, accel: number];
    /** Of the same, population formula. */
    readonly std: readonly [steer: number, accel: number];
  };

/** Why a keyframe is not used. */
export type DropReason =
  | "blacklisted_scene"
  | "missing_CAN_messages"
  | "alignment_exceeded"
  | "duplicate_timestamp"
  | "missing_image"
  | "truncated_image"
  | "unknown_image_format";

/** One CAM_FRONT keyframe of the tables, used or not. */
export interface KeyframeRecord {
  /** Token of its scene. */
  readonly sceneToken: string;
  /** Name of its scene. */
  readonly sceneName: string;
  /** Token of its sample. */
  readonly sampleToken: string;
  /** Token of its row in sample_data.json. */
  readonly cameraToken: string;
  /** Image file, from the dataset's root. */
  readonly imagePath: string;
  /** Time of the sample, microseconds. */
  readonly timestamp: number;
  /** Whether the scene is on the CAN blacklist. */
  readonly blacklisted: boolean;
  /** Whether the scene has usable steering messages. */
  readonly hasSteer: boolean;
  /** Whether the scene has usable pose messages. */
  readonly hasPose: boolean;
  /** Time of the nearest steering message minus `timestamp`, microseconds. */
  readonly steerDt?: number;
  /** Time of the nearest pose message minus `timestamp`, microseconds. */
  readonly poseDt?: number;
  /** Steering-wheel angle, radians. */
  readonly steerRaw?: number;
  /** Longitudinal acceleration, m/s^2. */
  readonly accelRaw?: number;
  /** Missing if the keyframe is used. */
  readonly dropReason?: DropReason;
}

/** Two kept keyframes of a scene that are too far apart. */
export interface Gap {
  /** Name of the scene. */
  readonly scene: string;
  /** Time of the earlier keyframe, microseconds. */
  readonly timestamp: number;
  /** Seconds to the next one. */
  readonly seconds: number;
}

/** What was kept, what was not, and why. */
export interface DataQuality {
  /** Largest distance from a keyframe to its messages, microseconds. */
  readonly maxCanAlignmentUs: number;
  /** How many scenes of the tables are on the CAN blacklist. */
  readonly blacklistedScenesDropped: number;
  /** Their names. */
  readonly blacklistedSceneIds: readonly string[];
  /** Keyframes whose nearest messages are too far away. */
  readonly samplesDroppedForTolerance: number;
  /** Kept of all CAM_FRONT keyframes, percent. */
  readonly sampleRetentionPct: number;
  /** Digest of the files that were read. */
  readonly manifestSha256: string;
  /** CAM_FRONT keyframes in the tables. */
  readonly totalKeyframes: number;
  /** Keyframes kept. */
  readonly retainedSamples: number;
  /** Keyframes dropped, by reason; reasons that do not occur are missing. */
  readonly droppedKeyframes: Readonly<Partial<Record<DropReason, number>>>;
  /** Scenes of which no keyframe is left, by name. */
  readonly droppedScenes: readonly {
    /** Name of the scene. */
    readonly name: string;
    /** The reason of most of its keyframes, or that it has none. */
    readonly reason: DropReason | "no_keyframes";
  }[];
  /** Samples that have no CAM_FRONT keyframe; not in `totalKeyframes`. */
  readonly samplesWithoutCamera: number;
  /** Keyframes that follow a later one in their scene's chain; sorted. */
  readonly keyframesOutOfOrder: number;
  /** CAN messages that follow a later one in their file; sorted. */
  readonly messagesOutOfOrder: number;
  /** CAN messages dropped because time or value is NaN, infinite or null. */
  readonly messagesNotFinite: number;
  /** Neighbouring kept keyframes more than 0.75 s apart. */
  readonly gaps: readonly Gap[];
}

/** A dataset as read from disk. */
export interface Dataset {
  /** Folder that image paths start from. */
  readonly root: string;
  /** Name of the folder of tables, such as "v1.0-mini". */
  readonly version: string;
  /** SHA-256 of the tables and CAN files that were read. */
  readonly digest: string;
  /** Whether its scenes are those of nuScenes, so that its lists apply. */
  readonly official: boolean;
  /** How actions were normalized. */
  readonly scaling: ActionScaling;
  /** With at least one keyframe each, sorted by name. */
  readonly scenes: readonly Scene[];
  /** Every CAM_FRONT keyframe, in the order of scene.json, then of time. */
  readonly records: readonly KeyframeRecord[];
  /** What was kept and what was not. */
  readonly quality: DataQuality;
}

const FIXED_STEER = 6; // rad
const FIXED_ACCEL = 10; // m/s^2

function clip(value: number): number {
  return Math.min(1, Math.max(-1, value));
}

/**
 * Normalizes one pair of measurements.
 *
 * Source: the published code, which divides by 6 and 10 and clips.
 * Differs: the paper says z-score; that is `scaling.kind` "zscore".
 *
 * @param steerRaw steering-wheel angle, radians
 * @param accelRaw longitudinal acceleration, m/s^2
 * @param scaling fixed unless given
 * @returns float32 values
 */
export function normalizeAction(
  steerRaw: number,
  accelRaw: number,
  scaling: ActionScaling = { kind: "fixed" },
): Action {
  if (scaling.kind === "fixed") {
    return {
      steer: Math.fround(clip(steerRaw / FIXED_STEER)),
      accel: Math.fround(clip(accelRaw / FIXED_ACCEL)),
    };
  }
  const { mean, std } = scaling;
  return {
    steer: Math.fround((steerRaw - mean[0]) / std[0]),
    accel: Math.fround((accelRaw - mean[1]) / std[1]),
  };
}

/**
 * Gives normalized actions of fixed scaling their units back.
 *
 * @param action normalized; what was clipped stays so
 */
export function measuredAction(
  { steer, accel }: Action,
): { readonly steerRad: number; readonly accelMps2: number } {
  return { steerRad: steer * FIXED_STEER, accelMps2: accel * FIXED_ACCEL };
}

/**
 * Measures mean and standard deviation of the raw actions of scenes.
 *
 * @param scenes the training scenes
 * @returns a scaling for {@linkcode normalizeAction}
 * @throws {RangeError} if there is no keyframe, or a component never varies
 */
export function zscoreOf(
  scenes: readonly Scene[],
): ActionScaling & { readonly kind: "zscore" } {
  const frames = scenes.flatMap((scene) => scene.keyframes);
  const moments = (name: string, values: number[]): [number, number] => {
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const squares = values.reduce((a, b) => a + (b - mean) ** 2, 0);
    const std = Math.sqrt(squares / values.length);
    if (!(std > 0)) {
      throw new RangeError(
        `Cannot z-score actions: ${name} is the same in all ${values.length} training keyframes; use fixed scaling`,
      );
    }
    return [mean, std];
  };
  const [steerMean, steerStd] = moments(
    "steering",
    frames.map((frame) => frame.steerRaw),
  );
  const [accelMean, accelStd] = moments(
    "acceleration",
    frames.map((frame) => frame.accelRaw),
  );
  return {
    kind: "zscore",
    mean: [steerMean, accelMean],
    std: [steerStd, accelStd],
  };
}

/**
 * Normalizes the actions of a dataset anew from the raw measurements.
 *
 * @param dataset as read; not changed
 * @param scaling such as {@linkcode zscoreOf} of the training scenes
 * @returns a copy with other actions
 */
export function rescaleActions(
  dataset: Dataset,
  scaling: ActionScaling,
): Dataset {
  const scenes = dataset.scenes.map((scene) => ({
    ...scene,
    keyframes: scene.keyframes.map((frame) => ({
      ...frame,
      action: normalizeAction(frame.steerRaw, frame.accelRaw, scaling),
    })),
  }));
  return { ...dataset, scaling, scenes };
}
