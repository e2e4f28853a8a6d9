/**
 * The page of `./run play`: wires device, session, controls and pictures.
 *
 * @module
 */

import { measuredAction } from "../../data/scene.ts";
import { DIAL_STEPS, type PlaySettings } from "../dream.ts";
import { actionOf, type Driver, DRIVERS, FAN } from "../drivers.ts";
import { MOST_STEERING } from "../drives.ts";
import { FRAME_SIDE } from "../frame_set.ts";
import { fromFragment, type PlayLog, toFragment } from "../log.ts";
import { type PlayedFrame, Session } from "../session.ts";
import { type Engine, NoDevice, openEngine } from "./engine.ts";
import { Inputs } from "./inputs.ts";
import { Board, Film, save } from "./keep.ts";
import { limitsText, playRecorded, readRecorded } from "./recorded.ts";
import {
  type Distance,
  drawCurve,
  element,
  frameCanvas,
  FrameView,
  imageData,
  Strip,
  surfaceOf,
} from "./views.ts";

/** Frames between two that are timed part by part. */
const TIMED_EVERY = 10;

const input = (id: string) => element(id, HTMLInputElement);
const button = (id: string) => element(id, HTMLButtonElement);
const text = (id: string, value: string) => {
  const found = element(id, HTMLElement);
  if (found.textContent !== value) found.textContent = value;
};
const say = (value: string) => text("status", value);

const dreamView = new FrameView(element("dream", HTMLCanvasElement));
const truthView = new FrameView(element("truth", HTMLCanvasElement));
const strip = new Strip(element("strip", HTMLCanvasElement));
const curve = surfaceOf(element("curve", HTMLCanvasElement));
const board = new Board();
const film = new Film();

let engine: Engine | undefined;
let session: Session | undefined;
let distances: Distance[] = [];
let isDriving = false;
let frameMs = 500;
let stamps: number[] = [];
/** Work on the device, one after the other. */
let queue: Promise<unknown> = Promise.resolve();

/** Does work on the device after what was asked before; says what fails. */
function inOrder<T>(work: () => Promise<T>): Promise<T | undefined> {
  const done = queue.then(work).catch((error: Error) => {
    drive(false);
    say(error.message);
    return undefined;
  });
  queue = done;
  return done;
}

function settings(): PlaySettings {
  return {
    steps: DIAL_STEPS[Number(input("steps").value)] ?? 4,
    guidance: Number(input("guidance").value),
  };
}

function driver(): Driver {
  const { value } = element("driver", HTMLSelectElement);
  return DRIVERS.find((name) => name === value) ?? "person";
}

/** An integer of a field, within its bounds. */
function whole(id: string): number {
  const field = input(id);
  const [low, high] = [Number(field.min), Number(field.max)];
  const value = Math.round(Number(field.value)) || low;
  const kept = Math.max(low, Math.min(high, value));
  field.value = String(kept);
  return kept;
}

function showFirst(of: Session, note: string): void {
  distances = [];
  stamps = [];
  strip.clear();
  element("futures", HTMLElement).replaceChildren();
  dreamView.push(imageData(of.first));
  truthView.push(of.truth === undefined ? undefined : imageData(of.first));
  board.draw(dreamView.canvas, truthView.canvas);
  drawCurve(curve, distances);
  text("distance", "No frame yet");
  text("age", "0 s since it saw the truth");
  text("truth-note", of.truth?.title ?? "none: an own picture");
  input("link").value = "";
  button("anchor").disabled = of.truth === undefined;
  session = of;
  say(note);
}

function begin(): Promise<void | undefined> {
  return inOrder(async () => {
    if (engine === undefined) return await start();
    const begun = {
      ...{ scene: whole("scene"), start: whole("start"), seed: whole("seed") },
      settings: settings(),
    };
    const next = await Session.begin(engine.gpu, engine, begun);
    showFirst(next, "Ready: press Drive, or P, and steer.");
  });
}

/** Shows half a second. */
function show(frame: PlayedFrame): void {
  const now = performance.now();
  stamps = [...stamps.slice(-20), now];
  const spans = stamps.length - 1;
  if (spans > 0) frameMs = (now - stamps[0]!) / spans;
  dreamView.push(imageData(frame.dream));
  truthView.push(frame.truth && imageData(frame.truth));
  strip.push(dreamView.canvas, truthView.canvas);
  board.draw(dreamView.canvas, truthView.canvas);
  distances = [...distances, frame];
  drawCurve(curve, distances);
  const { cosSim, pixelError, read, action, times } = frame;
  text(
    "age",
    `${frame.sinceAnchor / 2} s since it saw the truth, frame ${frame.number}`,
  );
  text(
    "distance",
    cosSim === undefined
      ? "No truth to compare with"
      : `CosSim ${cosSim.toFixed(3)}, pixel error ${
        pixelError!.toFixed(1)
      } levels`,
  );
  if (session?.truth?.end !== undefined) {
    text("truth-note", "ended: the road is out of sight");
  }
  const turn = (steer: number) =>
    -90 * measuredAction({ steer, accel: 0 }).steerRad / MOST_STEERING;
  const mark = document.getElementById("wheel-read");
  mark?.setAttribute(
    "transform",
    `rotate(${(read ? turn(read.steer) : turn(action.steer)).toFixed(1)})`,
  );
  text(
    "fact-speed",
    spans > 0 ? `${(1000 / frameMs).toFixed(1)} frames/s` : "-",
  );
  text("fact-truth", `${times.truth.toFixed(0)} ms`);
  if (times.sampler !== undefined && times.decoder !== undefined) {
    text("fact-sampler", `${times.sampler.toFixed(0)} ms`);
    text("fact-decoder", `${times.decoder.toFixed(0)} ms, with reading back`);
  }
  const memory = engine?.gpu.memory().bytes ?? 0;
  text("fact-memory", `${(memory / 2 ** 20).toFixed(0)} MiB`);
}

const inputs = new Inputs(
  element("wheel", HTMLElement),
  element("pedal", HTMLElement),
  {
    KeyP: () => drive(!isDriving),
    Space: () => drive(!isDriving),
    KeyN: () => void stepOnce(),
    KeyR: () => void begin(),
    KeyT: () => anchor(),
    KeyF: () => void fan(),
  },
);
let controls = { wheel: 0, pedal: 0 };

/** One frame under whoever drives. */
async function stepOnce(): Promise<void> {
  await inOrder(async () => {
    if (session === undefined) return;
    session.configure(settings());
    const who = driver();
    const action = who === "recorded" && session.truth !== undefined
      ? undefined
      : actionOf(who === "person" ? controls : { wheel: 0, pedal: 0 });
    const isTimed = session.frame % TIMED_EVERY === 1;
    show(await session.step(action, isTimed));
  });
}

function drive(on: boolean): void {
  if (isDriving === on || (on && session === undefined)) return;
  isDriving = on;
  button("pause").firstChild!.textContent = on ? "Pause " : "Drive ";
  stamps = [];
  if (!on) return;
  say("Driving: arrows or W A S D.");
  void (async () => {
    while (isDriving) {
      const from = performance.now();
      await stepOnce();
      const most = Number(element("speed", HTMLSelectElement).value);
      const left = most > 0 ? 1000 / most - (performance.now() - from) : 0;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, left)));
    }
  })();
}

function anchor(): void {
  void inOrder(() => {
    const isDone = session?.anchor() ?? false;
    say(
      isDone
        ? "The dream was shown the truth: the next frame follows from it."
        : "There is no truth to show any more: reset, or take another scene.",
    );
    return Promise.resolve();
  });
}

async function fan(): Promise<void> {
  await inOrder(async () => {
    if (session === undefined) return;
    session.configure(settings());
    const images = await session.futures(
      FAN.map((wheel) => actionOf({ wheel: wheel / 2, pedal: 0 })),
    );
    const names = ["full left", "left", "straight", "right", "full right"];
    element("futures", HTMLElement).replaceChildren(
      ...images.map((levels, i) => {
        const figure = document.createElement("figure");
        const { canvas } = frameCanvas(imageData(levels));
        canvas.setAttribute("role", "img");
        canvas.setAttribute("aria-label", `In two seconds, ${names[i]}`);
        const caption = document.createElement("figcaption");
        caption.textContent = names[i]!;
        figure.append(canvas, caption);
        return figure;
      }),
    );
    say("Five futures of this frame, two seconds ahead, from one noise.");
  });
}

/** Plays a link again. */
async function replay(log: PlayLog): Promise<void> {
  drive(false);
  await inOrder(async () => {
    if (engine === undefined) return;
    const [first, ...events] = log.events;
    const own = first?.kind === "settings" ? first : settings();
    for (const name of ["scene", "start", "seed"] as const) {
      input(name).value = String(log[name]);
    }
    const begun = { ...log, settings: own };
    showFirst(
      await Session.begin(engine.gpu, engine, begun),
      "Replaying the link",
    );
    for (const event of events) {
      const frame = await session!.replay(event);
      if (frame !== undefined) show(frame);
    }
    const { frame, digest } = session!;
    showSettings(session!.settings);
    const isOwn = log.weights === engine.digest;
    say(
      digest === log.digest
        ? `Replayed ${frame} frames: equal bit for bit.`
        : isOwn
        ? `Replayed ${frame} frames: not the same bits; another adapter rounds differently.`
        : `Replayed ${frame} frames by other weights than the link's.`,
    );
  });
}

function showSettings({ steps, guidance }: PlaySettings): void {
  const at = DIAL_STEPS.findIndex((count) => count === steps);
  if (at >= 0) input("steps").value = String(at);
  input("guidance").value = String(guidance);
  labelSettings();
}

function labelSettings(): void {
  const { steps, guidance } = settings();
  text("steps-text", String(steps));
  text("guidance-text", String(guidance));
  input("steps").setAttribute("aria-valuetext", `${steps} steps`);
}

/** Fragment of the session, or undefined where it began with a picture. */
function fragment(): string | undefined {
  if (session?.truth === undefined || engine === undefined) return undefined;
  return toFragment(session.log(engine.digest));
}

async function share(): Promise<void> {
  const own = fragment();
  if (own === undefined) {
    return say("Cannot link to an own picture: save the picture instead.");
  }
  const url = new URL(location.href);
  url.hash = own;
  const field = input("link");
  field.value = url.href;
  field.select();
  const isCopied = await navigator.clipboard?.writeText(url.href)
    .then(() => true, () => false);
  say(isCopied ? "The link was copied." : "The link is in the field below.");
}

function saveActions(): void {
  if (session === undefined) return;
  const { begun: { scene, start, seed }, actions } = session;
  const log = {
    scene: `drive-${String(scene).padStart(4, "0")}`,
    start,
    actions: actions.map(({ steer, accel }) => [steer, accel]),
    seed,
    settings: session.settings,
    weights: engine?.digest,
  };
  const blob = new Blob([`${JSON.stringify(log)}\n`], {
    type: "application/json",
  });
  save(blob, `drive-${scene}.json`);
}

function record(): void {
  if (film.isRecording) film.end();
  else film.begin(board, `drive-${whole("scene")}`);
  text("record", film.isRecording ? "End and save video" : "Record video");
}

/** Begins from a picture: its centre square. */
async function beginFrom(file: File): Promise<void> {
  drive(false);
  await inOrder(async () => {
    if (engine === undefined) return;
    const bitmap = await createImageBitmap(file).catch(() => {
      throw new Error(
        `Cannot begin from "${file.name}": it is no picture that this browser reads; needed PNG, JPEG or WebP`,
      );
    });
    const side = Math.min(bitmap.width, bitmap.height);
    const { context } = frameCanvas();
    context.drawImage(
      bitmap,
      ...[(bitmap.width - side) / 2, (bitmap.height - side) / 2] as const,
      ...[side, side, 0, 0, FRAME_SIDE, FRAME_SIDE] as const,
    );
    const { data } = context.getImageData(0, 0, FRAME_SIDE, FRAME_SIDE);
    const levels = Uint8Array.from(data.filter((_, i) => i % 4 !== 3));
    const begun = {
      ...{ scene: whole("scene"), start: whole("start"), seed: whole("seed") },
      settings: settings(),
    };
    showFirst(
      await Session.fromPicture(engine.gpu, engine, begun, levels),
      `The dream begins from ${file.name}; there is no truth beside it.`,
    );
  });
}

/** Opens device and weights, and the first session. */
async function start(
  weights?: { name: string; bytes: Uint8Array<ArrayBuffer> },
): Promise<void> {
  const opened = await openEngine(weights);
  engine?.[Symbol.dispose]();
  engine = opened;
  const { gpu, played, title } = opened;
  text("fact-adapter", gpu.adapter);
  text(
    "fact-model",
    `${title}, ${(played.parameterCount / 1000).toFixed(0)} k parameters`,
  );
  void gpu.device.lost.then(({ message }) => {
    if (engine !== opened) return;
    engine = undefined;
    session = undefined;
    drive(false);
    text("reset", "Start again");
    say(
      `The device was lost${
        message ? ` (${message})` : ""
      }: press Start again.`,
    );
  });
  // Test and console: what the page runs on.
  Object.assign(globalThis, { worldAction: { gpu } });
  const begun = {
    ...{ scene: whole("scene"), start: whole("start"), seed: whole("seed") },
    settings: settings(),
  };
  const own = await Session.begin(gpu, opened, begun);
  text("reset", "Reset R");
  showFirst(own, "Ready: press Drive, or P, and steer.");
}

/** Draws what changes between frames: wheel, pedals, fading. */
function redraw(): void {
  controls = inputs.read();
  const blends = input("blend").checked;
  const fade = blends && isDriving ? frameMs : 0;
  dreamView.draw(fade);
  truthView.draw(fade);
  element("blended", HTMLElement).hidden = !blends;
  const { wheel, pedal } = controls;
  document.getElementById("wheel-turn")
    ?.setAttribute("transform", `rotate(${(-90 * wheel).toFixed(1)})`);
  const percent = Math.round(100 * Math.abs(wheel));
  text("wheel-text", `${percent} % ${wheel < 0 ? "right" : "left"}`);
  element("pedal-bar", HTMLElement).style.transform = `scaleY(${
    (-pedal).toFixed(3)
  })`;
  const value = (id: string, x: number) =>
    element(id, HTMLElement)
      .setAttribute("aria-valuenow", String(Math.round(100 * x)));
  value("wheel", wheel);
  value("pedal", pedal);
  requestAnimationFrame(redraw);
}

/** Plays the recorded session, where the page cannot dream. */
async function fallBack(why: string): Promise<void> {
  const recorded = await readRecorded();
  for (const found of document.querySelectorAll("button, select, input")) {
    found.setAttribute("disabled", "");
  }
  text("age", "of a recorded session");
  text("truth-note", recorded.title);
  say(`${why}. This is a recorded session instead.`);
  await playRecorded(recorded, (frame) => {
    const { cosSim, pixelError } = recorded.frames[frame]!;
    distances = recorded.frames.slice(0, frame + 1).map((facts, i) => ({
      sinceAnchor: i + 1,
      ...(facts.cosSim === null ? {} : { cosSim: facts.cosSim }),
      ...(facts.pixelError === null ? {} : { pixelError: facts.pixelError }),
    }));
    drawCurve(curve, distances);
    text(
      "distance",
      `Frame ${frame + 1}: CosSim ${cosSim?.toFixed(3) ?? "-"}, pixel error ${
        pixelError?.toFixed(1) ?? "-"
      } levels`,
    );
  });
}

function wire(): void {
  button("pause").onclick = () => drive(!isDriving);
  button("step").onclick = () => void stepOnce();
  button("reset").onclick = () => void begin();
  button("anchor").onclick = anchor;
  button("fan").onclick = () => void fan();
  button("fresh").onclick = () => {
    input("scene").value = String(9000 + Math.floor(Math.random() * 1000));
    void begin();
  };
  button("share").onclick = () => void share();
  button("png").onclick = () => board.savePng(`drive-${whole("scene")}.png`);
  button("log").onclick = saveActions;
  button("record").onclick = record;
  if (Film.format === undefined) {
    button("record").disabled = true;
    button("record").title = "This browser records no video";
  }
  for (const id of ["scene", "start", "seed"]) {
    input(id).onchange = () => void begin();
  }
  for (const id of ["steps", "guidance"]) input(id).oninput = labelSettings;
  input("picture").onchange = ({ target }) => {
    const [file] = (target as HTMLInputElement).files ?? [];
    if (file) void beginFrom(file);
  };
  const takeWeights = async (file: File) => {
    drive(false);
    const bytes = new Uint8Array(await file.arrayBuffer());
    await inOrder(() => start({ name: file.name, bytes }));
    text("limits", "");
  };
  input("weights").onchange = ({ target }) => {
    const [file] = (target as HTMLInputElement).files ?? [];
    if (file) void takeWeights(file);
  };
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer?.files ?? [];
    if (file?.type.startsWith("image/")) void beginFrom(file);
    else if (file) void takeWeights(file);
  });
  addEventListener("hashchange", () => void open());
  matchMedia("(prefers-color-scheme: dark)")
    .addEventListener("change", () => drawCurve(curve, distances));
}

/** Replays the link that the page was opened by, if it is one. */
async function open(): Promise<void> {
  try {
    const log = fromFragment(location.hash);
    if (log !== undefined) await replay(log);
  } catch (error) {
    say((error as Error).message);
  }
}

wire();
labelSettings();
try {
  await start();
  requestAnimationFrame(redraw);
  await open();
  text("limits", limitsText(await readRecorded()));
} catch (error) {
  if (error instanceof NoDevice) await fallBack(error.message);
  else say((error as Error).message);
}
