import { measuredAction } from "../../data/scene.ts";
import { actionOf, type Controls, FAN } from "../drivers.ts";
import { MOST_STEERING } from "../drives.ts";
import { FRAME_SIDE } from "../frame_set.ts";
import { type PlayLog, toFragment } from "../log.ts";
import { type PlayedFrame, Session } from "../session.ts";
import { type Engine, openEngine } from "./engine.ts";
import {
  begun,
  button,
  driver,
  input,
  say,
  settings,
  showSettings,
  text,
} from "./fields.ts";
import { Board } from "./keep.ts";
import {
  CURVE,
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

/** Frames that the speed is measured over. */
const SPEED_FRAMES = 20;

/** What is said when a session begins. */
const READY = "Ready: press Drive, or P, and steer.";

/** What the five futures are called, from left to right. */
const FAN_NAMES = ["left", "half left", "straight", "half right", "right"];

/** Weights of a user's own. */
export interface OwnWeights {
  /** Of the file. */
  readonly name: string;
  /** Of the file. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Plays sessions on the page: one after the other, one frame at a time. */
export class Player {
  /** Dream and truth side by side, for what is saved. */
  readonly board: Board = new Board();
  /** Wheel and pedals. */
  controls: Controls = { wheel: 0, pedal: 0 };
  readonly #dream = new FrameView(element("dream", HTMLCanvasElement));
  readonly #truth = new FrameView(element("truth", HTMLCanvasElement));
  readonly #strip = new Strip(element("strip", HTMLCanvasElement));
  readonly #curve = surfaceOf(element("curve", HTMLCanvasElement));
  #engine: Engine | undefined;
  #session: Session | undefined;
  #weights: OwnWeights | undefined;
  #distances: Distance[] = [];
  #isDriving = false;
  #stamps: number[] = [];
  #frameMs = 500;
  /** Work on the device, one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  /** The session that is played. */
  get session(): Session | undefined {
    return this.#session;
  }

  /** Digest of the weights. */
  get digest(): string | undefined {
    return this.#engine?.digest;
  }

  /** Does work on the device after what was asked before; says what fails. */
  #inOrder<T>(work: () => Promise<T>): Promise<T | undefined> {
    const done = this.#queue.then(work).catch((error: Error) => {
      this.drive(false);
      say(error.message);
      return undefined;
    });
    this.#queue = done;
    return done;
  }

  /**
   * Opens device and weights, and the first session.
   *
   * @param weights a user's own; absent for those beside the page
   * @throws {NoDevice} if there is no device
   */
  async start(weights?: OwnWeights): Promise<void> {
    const opened = await openEngine(weights);
    const before = this.#engine;
    this.#engine = opened;
    this.#weights = weights;
    before?.[Symbol.dispose]();
    const { gpu, played, title } = opened;
    text("fact-adapter", gpu.adapter);
    text(
      "fact-model",
      `${(played.parameterCount / 1000).toFixed(0)} k parameters, ${title}`,
    );
    void gpu.device.lost.then(({ message }) => {
      if (this.#engine === opened) this.#lose(message);
    });
    // For the console, and for the test that loses the device.
    Object.assign(globalThis, { worldAction: { gpu } });
    button("reset").firstChild!.textContent = "Reset ";
    this.#showFirst(await Session.begin(gpu, opened, begun()), READY);
  }

  #lose(message: string): void {
    this.#engine = undefined;
    this.#session = undefined;
    this.drive(false);
    button("reset").firstChild!.textContent = "Start again ";
    const reason = message === "" ? "" : ` (${message})`;
    say(`The device was lost${reason}: press Start again.`);
  }

  /** Begins a session anew, or all, where the device was lost. */
  async begin(): Promise<void> {
    await this.#inOrder(async () => {
      const engine = this.#engine;
      if (engine === undefined) return await this.start(this.#weights);
      this.#showFirst(await Session.begin(engine.gpu, engine, begun()), READY);
    });
  }

  /** Takes other weights. */
  async takeWeights(weights: OwnWeights): Promise<void> {
    this.drive(false);
    await this.#inOrder(() => this.start(weights));
  }

  /** Begins from a picture: its centre square. */
  async beginFrom(file: File): Promise<void> {
    this.drive(false);
    await this.#inOrder(async () => {
      const engine = this.#engine;
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
      this.#showFirst(
        await Session.fromPicture(engine.gpu, engine, begun(), levels),
        `The dream begins from ${file.name}; there is no truth beside it.`,
      );
    });
  }

  #showFirst(session: Session, note: string): void {
    this.#session = session;
    this.#distances = [];
    this.#stamps = [];
    this.#strip.clear();
    element("futures", HTMLElement).replaceChildren();
    const first = imageData(session.first);
    this.#dream.push(first);
    this.#truth.push(session.truth && first);
    this.board.draw(this.#dream.canvas, this.#truth.canvas);
    this.drawCurve();
    text("distance", "No frame yet");
    text("age", "0 s since it saw the truth, frame 0");
    text("truth-note", session.truth?.title ?? "none: an own picture");
    input("link").value = "";
    button("anchor").disabled = session.truth === undefined;
    say(note);
  }

  /** Shows half a second. */
  #show(frame: PlayedFrame): void {
    const now = performance.now();
    this.#stamps = [...this.#stamps.slice(-SPEED_FRAMES), now];
    const spans = this.#stamps.length - 1;
    if (spans > 0) this.#frameMs = (now - this.#stamps[0]!) / spans;
    this.#dream.push(imageData(frame.dream));
    this.#truth.push(frame.truth && imageData(frame.truth));
    this.#strip.push(this.#dream.canvas, this.#truth.canvas);
    this.board.draw(this.#dream.canvas, this.#truth.canvas);
    // Without the pictures, which would pile up.
    const { dream: _, truth: __, ...distance } = frame;
    this.#distances = [...this.#distances.slice(1 - CURVE), distance];
    this.drawCurve();
    const { cosSim, pixelError, read, action, times } = frame;
    text(
      "age",
      `${
        frame.sinceAnchor / 2
      } s since it saw the truth, frame ${frame.number}`,
    );
    text(
      "distance",
      cosSim === undefined
        ? "No truth to compare with"
        : `CosSim ${cosSim.toFixed(3)}, pixel error ${
          pixelError!.toFixed(1)
        } levels`,
    );
    const end = this.#session?.truth?.end;
    if (end !== undefined) text("truth-note", `ended: ${end}`);
    const { steerRad } = measuredAction(read ?? action);
    document.getElementById("wheel-read")?.setAttribute(
      "transform",
      `rotate(${(-90 * steerRad / MOST_STEERING).toFixed(1)})`,
    );
    const speed = `${(1000 / this.#frameMs).toFixed(1)} frames/s`;
    text("fact-speed", spans > 0 ? speed : "-");
    text("fact-truth", `${times.truth.toFixed(0)} ms`);
    if (times.sampler !== undefined && times.decoder !== undefined) {
      text("fact-sampler", `${times.sampler.toFixed(0)} ms`);
      text(
        "fact-decoder",
        `${times.decoder.toFixed(0)} ms, with reading back`,
      );
    }
    const bytes = this.#engine?.gpu.memory().bytes ?? 0;
    text("fact-memory", `${(bytes / 2 ** 20).toFixed(0)} MiB`);
  }

  /** Draws the curve, in the colours of now. */
  drawCurve(): void {
    drawCurve(this.#curve, this.#distances);
  }

  /** Draws both frames, faded if that is asked for. */
  draw(blends: boolean): void {
    const fade = blends && this.#isDriving ? this.#frameMs : 0;
    this.#dream.draw(fade);
    this.#truth.draw(fade);
  }

  /** One frame under whoever drives. */
  async step(): Promise<void> {
    await this.#inOrder(async () => {
      const session = this.#session;
      if (session === undefined) return;
      session.configure(settings());
      const who = driver();
      const action = who === "recorded" && session.truth !== undefined
        ? undefined
        : actionOf(who === "person" ? this.controls : { wheel: 0, pedal: 0 });
      const isTimed = session.frame % TIMED_EVERY === 1;
      this.#show(await session.step(action, isTimed));
    });
  }

  /** Drives, or pauses; the other one if it is not said. */
  drive(on = !this.#isDriving): void {
    if (this.#isDriving === on || (on && this.#session === undefined)) return;
    this.#isDriving = on;
    button("pause").firstChild!.textContent = on ? "Pause " : "Drive ";
    this.#stamps = [];
    if (!on) return;
    say("Driving: arrows or W A S D.");
    void this.#loop();
  }

  async #loop(): Promise<void> {
    while (this.#isDriving) {
      const from = performance.now();
      await this.step();
      const most = Number(element("speed", HTMLSelectElement).value);
      const left = most > 0 ? 1000 / most - (performance.now() - from) : 0;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, left)));
    }
  }

  /** Shows the dream the truth. */
  async anchor(): Promise<void> {
    await this.#inOrder(() => {
      const isDone = this.#session?.anchor() ?? false;
      say(
        isDone
          ? "The dream was shown the truth: the next frame follows from it."
          : "There is no truth to show any more: reset, or take another scene.",
      );
      return Promise.resolve();
    });
  }

  /** Shows five futures of the last frame. */
  async fan(): Promise<void> {
    await this.#inOrder(async () => {
      const session = this.#session;
      if (session === undefined) return;
      session.configure(settings());
      const images = await session.futures(
        FAN.map((wheel) => actionOf({ wheel, pedal: 0 })),
      );
      const figures = images.map((levels, i) => {
        const figure = document.createElement("figure");
        const { canvas } = frameCanvas(imageData(levels));
        canvas.setAttribute("role", "img");
        canvas.setAttribute("aria-label", `In two seconds, ${FAN_NAMES[i]}`);
        const caption = document.createElement("figcaption");
        caption.textContent = FAN_NAMES[i]!;
        figure.append(canvas, caption);
        return figure;
      });
      element("futures", HTMLElement).replaceChildren(...figures);
      say("Five futures of this frame, two seconds ahead, from one noise.");
    });
  }

  /** Fragment of a link to the session; none where it began with a picture. */
  fragment(): string | undefined {
    const [session, engine] = [this.#session, this.#engine];
    if (session?.truth === undefined || engine === undefined) return undefined;
    return toFragment(session.log(engine.digest));
  }

  /** Plays a link again, as fast as it goes. */
  async replay(log: PlayLog): Promise<void> {
    this.drive(false);
    await this.#inOrder(async () => {
      const engine = this.#engine;
      if (engine === undefined) return;
      const [first, ...events] = log.events;
      const own = first?.kind === "settings" ? first : settings();
      for (const name of ["scene", "start", "seed"] as const) {
        input(name).value = String(log[name]);
      }
      const session = await Session.begin(engine.gpu, engine, {
        ...log,
        settings: own,
      });
      this.#showFirst(session, "Replaying the link");
      for (const event of events) {
        const frame = await session.replay(event);
        if (frame !== undefined) this.#show(frame);
      }
      showSettings(session.settings);
      say(this.#verdict(log, session, engine));
    });
  }

  /** Whether a replay gave what the link was made from. */
  #verdict(log: PlayLog, { frame, digest }: Session, engine: Engine): string {
    if (digest === log.digest) {
      return `Replayed ${frame} frames: equal bit for bit.`;
    }
    return log.weights === engine.digest
      ? `Replayed ${frame} frames: not the same bits; another adapter rounds differently.`
      : `Replayed ${frame} frames by other weights than the link's.`;
  }
}
