import type { Action } from "../data/scene.ts";
import type { PlaySettings } from "./dream.ts";

/** What happened in a played session, in order. */
export type PlayEvent =
  | {
    /** Half a second under an action. */
    readonly kind: "step";
    /** Steering and acceleration, normalized and rounded. */
    readonly action: Action;
  }
  | {
    /** Half a second of the recorded drive. */
    readonly kind: "recorded";
  }
  | {
    /** The dream begins anew from the truth. */
    readonly kind: "anchor";
  }
  | ({
    /** How later frames are sampled. */
    readonly kind: "settings";
  } & PlaySettings);

/** All that decides a session on one adapter, beside the weights. */
export interface PlayLog {
  /** Seed of the embedded world. */
  readonly scene: number;
  /** Keyframe that it begins at. */
  readonly start: number;
  /** Seed of the noise. */
  readonly seed: number;
  /** First digits of the digest of the weights. */
  readonly weights: string;
  /** What happened. */
  readonly events: readonly PlayEvent[];
  /** Digest of the last frame's latents, by {@linkcode digestBits}. */
  readonly digest: string;
}

/** Parts of an action in links: actions are rounded to these. */
const ACTION_UNIT = 10_000;

/** Parts of a guidance scale in links. */
const GUIDANCE_UNIT = 20;

const TAGS = { step: 1, recorded: 2, anchor: 3, settings: 4 } as const;

/**
 * Rounds an action to what a link holds.
 *
 * @param action normalized
 */
export function roundAction({ steer, accel }: Action): Action {
  const round = (x: number) =>
    Math.round(Math.max(-1, Math.min(1, x)) * ACTION_UNIT) / ACTION_UNIT;
  return { steer: round(steer), accel: round(accel) };
}

/**
 * Rounds a guidance scale to what a link holds.
 *
 * @param guidance from 0.05 to 12
 */
export function roundGuidance(guidance: number): number {
  return Math.round(guidance * GUIDANCE_UNIT) / GUIDANCE_UNIT;
}

/**
 * Names values by their bits: FNV-1a, 32 bits. Not safe against forgery.
 *
 * @param values of any kind
 */
export function digestBits(values: ArrayBufferView): string {
  let hash = 0x811c9dc5;
  const { buffer, byteOffset, byteLength } = values;
  for (const byte of new Uint8Array(buffer, byteOffset, byteLength)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return hash.toString(16).padStart(8, "0");
}

function packEvents(events: readonly PlayEvent[]): Uint8Array {
  const bytes: number[] = [];
  const short = (x: number) => {
    const value = Math.round(x * ACTION_UNIT) & 0xffff;
    bytes.push(value & 255, value >> 8);
  };
  for (const event of events) {
    bytes.push(TAGS[event.kind]);
    if (event.kind === "step") {
      short(event.action.steer);
      short(event.action.accel);
    } else if (event.kind === "settings") {
      bytes.push(event.steps, Math.round(event.guidance * GUIDANCE_UNIT));
    }
  }
  return Uint8Array.from(bytes);
}

function unpackEvents(bytes: Uint8Array): PlayEvent[] {
  const events: PlayEvent[] = [];
  let at = 0;
  const byte = () => {
    const value = bytes[at++];
    if (value === undefined) {
      throw new SyntaxError(
        `Cannot replay the link: its log of ${bytes.length} bytes ends within an event; copy the whole link`,
      );
    }
    return value;
  };
  const short = () => {
    const value = byte() | byte() << 8;
    return (value << 16 >> 16) / ACTION_UNIT;
  };
  while (at < bytes.length) {
    const tag = byte();
    if (tag === TAGS.step) {
      const steer = short();
      events.push({ kind: "step", action: { steer, accel: short() } });
    } else if (tag === TAGS.recorded) events.push({ kind: "recorded" });
    else if (tag === TAGS.anchor) events.push({ kind: "anchor" });
    else if (tag === TAGS.settings) {
      const steps = byte();
      events.push({
        kind: "settings",
        steps,
        guidance: byte() / GUIDANCE_UNIT,
      });
    } else {
      throw new SyntaxError(
        `Cannot replay the link: byte ${
          at - 1
        } of its log is ${tag}, needed one of ${
          Object.values(TAGS).join(", ")
        }; copy the whole link`,
      );
    }
  }
  return events;
}

function toBase64Url(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(
    /=+$/,
    "",
  );
}

function fromBase64Url(text: string): Uint8Array {
  let binary: string;
  try {
    binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    throw new SyntaxError(
      "Cannot replay the link: its log is no base64; copy the whole link",
    );
  }
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}

/**
 * Writes a session as the fragment of a link.
 *
 * @param log of the session
 * @returns without "#"
 */
export function toFragment(log: PlayLog): string {
  return new URLSearchParams({
    scene: String(log.scene),
    start: String(log.start),
    seed: String(log.seed),
    weights: log.weights,
    log: toBase64Url(packEvents(log.events)),
    digest: log.digest,
  }).toString();
}

/**
 * Reads a session from the fragment of a link.
 *
 * @param fragment with or without "#"
 * @returns undefined if it holds none
 * @throws {SyntaxError} if a part is missing or damaged
 */
export function fromFragment(fragment: string): PlayLog | undefined {
  const values = new URLSearchParams(fragment.replace(/^#/, ""));
  if (!values.has("log")) return undefined;
  const whole = (name: string, most: number) => {
    const text = values.get(name) ?? "";
    const value = Number(text);
    if (/^\d+$/.test(text) && value <= most) return value;
    throw new SyntaxError(
      `Cannot replay the link: ${name} is "${
        text.slice(0, 40)
      }", needed an integer from 0 to ${most}`,
    );
  };
  const events = unpackEvents(fromBase64Url(values.get("log") ?? ""));
  return {
    scene: whole("scene", 1_000_000),
    start: whole("start", 39),
    seed: whole("seed", 2 ** 31),
    weights: (values.get("weights") ?? "").slice(0, 64),
    digest: (values.get("digest") ?? "").slice(0, 64),
    events,
  };
}
