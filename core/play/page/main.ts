/**
 * The page of `./run play`: wires the player to buttons, keys and files.
 *
 * @module
 */

import { fromFragment } from "../log.ts";
import { NoDevice } from "./engine.ts";
import { button, input, labelSettings, say, text, whole } from "./fields.ts";
import { Inputs } from "./inputs.ts";
import { Film, save } from "./keep.ts";
import { Player } from "./player.ts";
import { limitsText, playRecorded, readRecorded } from "./recorded.ts";
import { type Distance, drawCurve, element, surfaceOf } from "./views.ts";

const player = new Player();
const film = new Film();
const inputs = new Inputs(
  element("wheel", HTMLElement),
  element("pedal", HTMLElement),
  {
    KeyP: () => player.drive(),
    Space: () => player.drive(),
    KeyN: () => void player.step(),
    KeyR: () => void player.begin(),
    KeyT: () => void player.anchor(),
    KeyF: () => void player.fan(),
  },
);

/** Moves wheel and pedals, and draws what changes between frames. */
function redraw(): void {
  player.controls = inputs.read();
  const { wheel, pedal } = player.controls;
  const blends = input("blend").checked;
  player.draw(blends);
  element("blended", HTMLElement).hidden = !blends;
  document.getElementById("wheel-turn")
    ?.setAttribute("transform", `rotate(${(-90 * wheel).toFixed(1)})`);
  const percent = Math.round(100 * Math.abs(wheel));
  text("wheel-text", `${percent} % ${wheel < 0 ? "right" : "left"}`);
  element("pedal-bar", HTMLElement).style.transform = `scaleY(${
    (-pedal).toFixed(3)
  })`;
  for (const [id, value] of Object.entries(player.controls)) {
    element(id, HTMLElement)
      .setAttribute("aria-valuenow", String(Math.round(100 * value)));
  }
  requestAnimationFrame(redraw);
}

async function share(): Promise<void> {
  const own = player.fragment();
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

/** Saves the actions as `exp:qualitative --actions` takes them. */
function saveActions(): void {
  const { session } = player;
  if (session === undefined) return;
  const { begun: { scene, start, seed }, actions } = session;
  const log = {
    scene: `drive-${String(scene).padStart(4, "0")}`,
    start,
    actions: actions.map(({ steer, accel }) => [steer, accel]),
    seed,
    settings: session.settings,
    weights: player.digest,
  };
  const type = "application/json";
  save(
    new Blob([`${JSON.stringify(log)}\n`], { type }),
    `drive-${scene}.json`,
  );
}

function record(): void {
  if (film.isRecording) film.end();
  else film.begin(player.board, `drive-${whole("scene")}`);
  text("record", film.isRecording ? "End and save video" : "Record video");
}

async function takeFile(file: File): Promise<void> {
  if (!file.name.endsWith(".safetensors")) return await player.beginFrom(file);
  const bytes = new Uint8Array(await file.arrayBuffer());
  await player.takeWeights({ name: file.name, bytes });
  text("limits", "");
}

/** Replays the link that the page was opened by, if it is one. */
async function open(): Promise<void> {
  try {
    const log = fromFragment(location.hash);
    if (log !== undefined) await player.replay(log);
  } catch (error) {
    say((error as Error).message);
  }
}

function wire(): void {
  const clicks: Readonly<Record<string, () => unknown>> = {
    pause: () => player.drive(),
    step: () => player.step(),
    reset: () => player.begin(),
    anchor: () => player.anchor(),
    fan: () => player.fan(),
    fresh: () => {
      input("scene").value = String(9000 + Math.floor(Math.random() * 1000));
      void player.begin();
    },
    share,
    png: () => player.board.savePng(`drive-${whole("scene")}.png`),
    log: saveActions,
    record,
  };
  for (const [id, act] of Object.entries(clicks)) {
    button(id).onclick = () => void act();
  }
  if (Film.format === undefined) {
    button("record").disabled = true;
    button("record").title = "This browser records no video";
  }
  for (const id of ["scene", "start", "seed"]) {
    input(id).onchange = () => void player.begin();
  }
  for (const id of ["steps", "guidance"]) input(id).oninput = labelSettings;
  const take = (files: FileList | null | undefined) => {
    const [file] = files ?? [];
    if (file) void takeFile(file);
  };
  for (const id of ["picture", "weights"]) {
    input(id).onchange = () => take(input(id).files);
  }
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer?.files);
  });
  addEventListener("hashchange", () => void open());
  matchMedia("(prefers-color-scheme: dark)")
    .addEventListener("change", () => player.drawCurve());
  labelSettings();
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
  const curve = surfaceOf(element("curve", HTMLCanvasElement));
  const all = recorded.frames.map((facts, i): Distance => {
    const { cosSim, frozenCosSim, pixelError } = facts;
    return {
      sinceAnchor: i + 1,
      ...(cosSim === null ? {} : { cosSim }),
      ...(frozenCosSim === null ? {} : { frozenCosSim }),
      ...(pixelError === null ? {} : { pixelError }),
    };
  });
  await playRecorded(recorded, (frame) => {
    const { cosSim, pixelError } = recorded.frames[frame]!;
    drawCurve(curve, all.slice(0, frame + 1));
    text(
      "distance",
      `Frame ${frame + 1}: CosSim ${cosSim?.toFixed(3) ?? "-"}, pixel error ${
        pixelError?.toFixed(1) ?? "-"
      } levels`,
    );
  });
}

wire();
try {
  await player.start();
  requestAnimationFrame(redraw);
  await open();
  text("limits", limitsText(await readRecorded()));
} catch (error) {
  if (error instanceof NoDevice) await fallBack(error.message);
  else say((error as Error).message);
}
