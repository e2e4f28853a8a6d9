import {
  readSafetensors,
  toFloat32,
  writeSafetensors,
} from "../formats/safetensors.ts";
import type { Artifact } from "../experiment/artifact.ts";
import { digestJson } from "../experiment/artifact_files.ts";
import { InverseDynamics } from "../models/inverse_dynamics.ts";
import type { StateEntry } from "../nn/module.ts";
import { parameters } from "../nn/parameters.ts";
import {
  INVERSE_DYNAMICS,
  inverseDynamicsMoments,
  type InverseDynamicsQuality,
  type InverseDynamicsSettings,
  measureInverseDynamics,
  predictActions,
  trainInverseDynamics,
} from "../training/inverse_dynamics.ts";
import type { LossCurve } from "../training/loop.ts";
import type { Lab } from "./lab.ts";
import type { Part } from "./latents.ts";

/** What is known of a probe. */
export interface ProbeFacts {
  /** On consecutive real frames of the test scenes; null where constant. */
  readonly quality: InverseDynamicsQuality;
  /** Its losses. */
  readonly curve: LossCurve;
  /** Pairs of frames it was trained on. */
  readonly pairs: number;
}

/** A trained probe on the device. */
export interface Probe extends Disposable {
  /** How it was trained, and how well it does. */
  readonly facts: ProbeFacts;
  /** Digest of it as an artifact. */
  readonly digest: string;
  /**
   * Tells the steering that latents in the order of time show.
   *
   * @param frames (n, channels, height, width), n at least 2
   * @returns (n - 1), in units of the recorded steering
   */
  steering(frames: Float32Array): Promise<number[]>;
  /**
   * Tells the actions that latents in the order of time show.
   *
   * @param frames (n, channels, height, width), n at least 2
   * @returns (n - 1, 2): steering and acceleration, in units of the recorded
   */
  actions(frames: Float32Array): Promise<Float32Array<ArrayBuffer>>;
}

/** File of the weights. */
const WEIGHTS = "probe.safetensors";

/** Rows of frames of a part that are followed by the next one of their scene. */
function pairsOf({ windows }: Part, horizon: number): number[] {
  const rows = windows.flatMap(({ row }) =>
    Array.from({ length: horizon }, (_, step) => row + step)
  );
  return [...new Set(rows)].sort((a, b) => a - b);
}

/**
 * Finds an inverse-dynamics probe, or trains it: on consecutive real latents of
 * the training scenes, whatever experiment asks first.
 *
 * @param lab latents and actions
 * @param settings changes of the recipe study's
 * @throws {Interrupted} if it was asked to stop
 */
export async function trainProbe(
  lab: Lab,
  settings: Partial<InverseDynamicsSettings> = {},
): Promise<Artifact<ProbeFacts>> {
  const { gpu, params: { horizon }, context: { interrupt } } = lab;
  const [train, test] = [await lab.part("train"), await lab.part("test")];
  const rows = pairsOf(train, horizon);
  const held = pairsOf(test, horizon);
  const spec = {
    settings: { ...INVERSE_DYNAMICS, ...settings },
    rows: digestJson(rows, "rows"),
    held: digestJson(held, "rows"),
  };
  return await lab.make<ProbeFacts>({
    by: import.meta.url,
    kind: "probe",
    spec,
    from: [train.digest, test.digest],
  }, async (folder) => {
    const moments = inverseDynamicsMoments(train, rows);
    const probe = new InverseDynamics({ shape: train.shape, moments });
    using store = parameters(gpu, probe, { seed: spec.settings.seed });
    const line = lab.context.progress("train the probe");
    const curve = await trainInverseDynamics(
      gpu,
      probe,
      store,
      train,
      rows,
      spec.settings,
      {
        checkpoint: folder.scratch("checkpoint.safetensors"),
        digest: digestJson(spec, "probe"),
        progress: ({ step, steps, ...loss }) =>
          line.update({ done: step, total: steps, ...loss }),
        shouldStop: () => interrupt.requested,
      },
    );
    line.end();
    if (curve === undefined) lab.stop("training the probe");
    await writeSafetensors(folder.file(WEIGHTS), await probe.stateDict());
    const quality = await measureInverseDynamics(gpu, probe, test, held);
    return { quality, curve, pairs: rows.length };
  });
}

/**
 * Puts the probe on the device; trains it, unless any experiment did.
 *
 * @param lab latents and actions
 * @param settings changes of the recipe study's
 * @throws {Interrupted} if it was asked to stop
 */
export async function openProbe(
  lab: Lab,
  settings: Partial<InverseDynamicsSettings> = {},
): Promise<Probe> {
  const made = await trainProbe(lab, settings);
  const { gpu } = lab;
  const { shape } = await lab.part("train");
  const probe = new InverseDynamics({ shape });
  const store = parameters(gpu, probe, { seed: 0 });
  const path = made.file(WEIGHTS);
  using file = await readSafetensors(path);
  const state: Record<string, StateEntry> = {};
  for (const name of file.names) {
    const value = await file.read(name);
    state[name] = { shape: value.shape, data: toFloat32(value) };
  }
  probe.loadStateDict(state, path);
  const size = shape.reduce((a, b) => a * b, 1);
  const actions = (frames: Float32Array) =>
    predictActions(
      gpu,
      probe,
      frames.subarray(0, frames.length - size),
      frames.subarray(size),
    );
  return {
    facts: made.facts,
    digest: made.digest,
    actions,
    async steering(frames) {
      return Array.from((await actions(frames)).filter((_, i) => i % 2 === 0));
    },
    [Symbol.dispose]: () => store[Symbol.dispose](),
  };
}

/**
 * Says how well a probe does on real frames that it was not trained on.
 *
 * @param facts of its training
 */
export function probeNote({ quality, pairs }: ProbeFacts): string {
  const { steering: { correlation, slope }, n } = quality;
  const text = (value: number | null) => value?.toFixed(3) ?? "unknown";
  return `The probe was trained on ${pairs} pairs of consecutive real frames; on ${n} pairs of test scenes, its steering has correlation ${
    text(correlation)
  } with the recorded one and slope ${text(slope)}.`;
}
