import { createHash } from "node:crypto";
import type { Image } from "../formats/image.ts";
import { encodePng } from "../formats/png.ts";
import { dataUri, escapeHtml } from "./html.ts";
import { STYLE } from "./style.ts";

/** A scene whose frames can be flipped through. */
export interface FlipScene {
  /** Its name. */
  readonly name: string;
  /** What is done before each moment; null before the first one. */
  readonly actions: readonly (
    | { readonly steerRad: number; readonly accelMps2: number }
    | null
  )[];
  /** Frames at each moment by who predicts them; null leaves a gap. */
  readonly films: readonly {
    readonly label: string;
    readonly frames: readonly (Image | null)[];
  }[];
}

/** All that a page says. */
export interface FlipPage {
  /** Heading. */
  readonly title: string;
  /** A few sentences below it. */
  readonly lead: string;
  /** Names of the moments, such as "t+1". */
  readonly moments: readonly string[];
  /** Scenes, at least one. */
  readonly scenes: readonly FlipScene[];
}

const PAGE_STYLE = `
fieldset { border: 1px solid var(--line); border-radius: 6px; margin: 0;
  padding: .5rem .9rem; display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; }
.controls { display: grid; gap: .8rem; margin: 1.2rem 0; }
.controls label { white-space: nowrap; }
.stage { display: flex; flex-wrap: wrap; gap: 1.2rem; align-items: center; }
.stage div:first-child { width: min(32rem, 100%); }
.stage img, .stage .none { width: 100%; aspect-ratio: 1;
  image-rendering: pixelated; background: var(--soft); display: block; }
.stage div.none { width: 100%; display: grid; place-items: center; color: var(--muted); }
[hidden] { display: none !important; }
.dash { width: 9rem; }
input[type=range] { width: min(24rem, 100%); }
button, select { font: inherit; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
kbd { border: 1px solid var(--line); border-radius: 4px; padding: 0 .3rem; }
`;

// It reads the data of the page and moves what is there: nothing is fetched.
const SCRIPT = `
const { moments, scenes } = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const [scene, step, play, picture, none, wheel, bar, said] =
  ["scene", "step", "play", "picture", "none", "wheel", "bar", "said"].map($);
let [model, before, timer] = [0, 0, 0];
const choose = (to) => {
  if (to < 0 || to >= scenes[scene.value].films.length || to === model) return;
  [before, model] = [model, to];
  show();
};
const models = () => {
  $("models").replaceChildren(...scenes[scene.value].films.map(({ label }, i) => {
    const [box, input] = ["label", "input"].map((tag) => document.createElement(tag));
    Object.assign(input, { type: "radio", name: "model", value: i, checked: i === model });
    input.addEventListener("change", () => choose(i));
    box.append(input, " " + label);
    return box;
  }));
};
const show = () => {
  const { name, films, actions } = scenes[scene.value];
  const h = Number(step.value);
  const { label, frames } = films[model];
  const source = frames[h];
  picture.hidden = source === null;
  none.hidden = source !== null;
  const text = label + ", " + name + ", " + moments[h];
  if (source !== null) { picture.src = source; picture.alt = text; }
  const action = actions[h];
  wheel.setAttribute("transform", "rotate(" + (action ? -action.steerRad * 180 / Math.PI : 0) + " 50 50)");
  const share = action ? Math.max(-1, Math.min(1, action.accelMps2 / 5)) : 0;
  bar.setAttribute("y", 50 - Math.max(0, share) * 35);
  bar.setAttribute("height", Math.abs(share) * 35);
  bar.setAttribute("fill", share < 0 ? "var(--fails)" : "var(--holds)");
  said.textContent = text + (action
    ? ": steering " + action.steerRad.toFixed(2) + " rad, acceleration " + action.accelMps2.toFixed(1) + " m/s\\u00b2"
    : ": the present");
  const input = document.querySelectorAll("[name=model]")[model];
  if (input) input.checked = true;
};
const toggle = () => {
  clearInterval(timer);
  timer = timer ? 0 : setInterval(() => {
    step.value = (Number(step.value) + 1) % moments.length;
    show();
  }, 500);
  play.textContent = timer ? "Pause" : "Play";
};
scene.addEventListener("change", () => { models(); show(); });
step.addEventListener("input", show);
play.addEventListener("click", toggle);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { key } = event;
  if (/^[1-9]$/.test(key)) choose(Number(key) - 1);
  else if (key === "x") choose(before);
  else if (key === "p") toggle();
  else if (key === "," || key === ".") {
    step.value = Number(step.value) + (key === "." ? 1 : -1);
    show();
  }
});
step.max = moments.length - 1;
models();
show();
`;

/**
 * Writes a page in which one flips between predictions of a scene in place, so
 * that the eye sees what differs. It needs no other file and no network, and
 * every control answers to the keyboard; a content security policy allows its
 * one script and nothing else.
 *
 * @param page what it shows
 * @returns the text of the file
 * @throws {RangeError} if there is no scene, or a film has not a frame or a gap
 *   for each moment
 */
export function flipPage({ title, lead, moments, scenes }: FlipPage): string {
  if (scenes.length === 0) {
    throw new RangeError(
      "Cannot write a page of 0 scenes: needed at least one",
    );
  }
  for (const { name, films, actions } of scenes) {
    for (const list of [actions, ...films.map(({ frames }) => frames)]) {
      if (list.length === moments.length) continue;
      throw new RangeError(
        `Cannot show scene "${name}": it has ${list.length} frames or actions, needed one for each of ${moments.length} moments`,
      );
    }
  }
  const content = {
    moments,
    scenes: scenes.map(({ name, actions, films }) => ({
      name,
      actions,
      films: films.map(({ label, frames }) => ({
        label,
        frames: frames.map((image) =>
          image === null ? null : dataUri(encodePng(image), "image/png")
        ),
      })),
    })),
  };
  // An end tag in a name would end the element.
  const data = JSON.stringify(content).replaceAll("<", "\\u003c");
  const hash = createHash("sha256").update(SCRIPT).digest("base64");
  const options = scenes.map(({ name }, i) =>
    `<option value="${i}">${escapeHtml(name)}</option>`
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-${hash}'">
<title>${escapeHtml(title)}</title>
<style>${STYLE}${PAGE_STYLE}</style>
</head>
<body>
<header><h1>${escapeHtml(title)}</h1><p class="lead">${
    escapeHtml(lead)
  }</p></header>
<main>
<div class="stage">
<div><img id="picture" alt=""><div id="none" class="none" hidden>No frame at this moment</div></div>
<svg class="dash" viewBox="0 0 130 100" role="img" aria-label="Steering wheel and acceleration">
<g id="wheel" fill="none" stroke="currentColor" stroke-width="5"><circle cx="50" cy="50" r="36"/><path d="M14 50H86M50 50V86"/><circle cx="50" cy="14" r="5" fill="var(--accent)" stroke="none"/></g>
<rect x="106" y="15" width="12" height="70" fill="var(--line)"/><rect id="bar" x="106" width="12"/><path d="M102 50H122" stroke="currentColor" stroke-width="2"/>
</svg>
</div>
<p id="said" aria-live="polite"></p>
<div class="controls">
<label>Scene <select id="scene">${options.join("")}</select></label>
<fieldset><legend>Who predicts</legend><div id="models" style="display:contents"></div></fieldset>
<label>Moment <input id="step" type="range" min="0" value="1"></label>
<div><button id="play" type="button">Play</button></div>
</div>
<p><kbd>1</kbd> to <kbd>9</kbd> choose who predicts, <kbd>x</kbd> goes back to the one before, <kbd>,</kbd> and <kbd>.</kbd> move in time, <kbd>p</kbd> plays.</p>
<noscript><p>This page flips by a script, which is switched off here; the report has the same frames side by side.</p></noscript>
</main>
<script type="application/json" id="data">${data}</script>
<script>${SCRIPT}</script>
</body>
</html>
`;
}
