/**
 * Fields and texts of the page.
 *
 * @module
 */

import { DIAL_STEPS, type PlaySettings } from "../dream.ts";
import { type Driver, DRIVERS } from "../drivers.ts";
import type { SessionStart } from "../session.ts";
import { element } from "./views.ts";

/** A field by its id. */
export function input(id: string): HTMLInputElement {
  return element(id, HTMLInputElement);
}

/** A button by its id. */
export function button(id: string): HTMLButtonElement {
  return element(id, HTMLButtonElement);
}

/** Sets the text of an element, if it is another one. */
export function text(id: string, value: string): void {
  const found = element(id, HTMLElement);
  if (found.textContent !== value) found.textContent = value;
}

/** Says one line, which screen readers read out. */
export function say(value: string): void {
  text("status", value);
}

/** How frames are to be sampled. */
export function settings(): PlaySettings {
  return {
    steps: DIAL_STEPS[Number(input("steps").value)] ?? 4,
    guidance: Number(input("guidance").value),
  };
}

/** Who is to drive. */
export function driver(): Driver {
  const { value } = element("driver", HTMLSelectElement);
  return DRIVERS.find((name) => name === value) ?? "person";
}

/** An integer of a field, within its bounds. */
export function whole(id: string): number {
  const field = input(id);
  const [low, high] = [Number(field.min), Number(field.max)];
  const value = Math.round(Number(field.value)) || low;
  const kept = Math.max(low, Math.min(high, value));
  field.value = String(kept);
  return kept;
}

/** What the next session begins with. */
export function begun(): SessionStart {
  return {
    scene: whole("scene"),
    start: whole("start"),
    seed: whole("seed"),
    settings: settings(),
  };
}

/** Writes the dial's numbers beside it. */
export function labelSettings(): void {
  const { steps, guidance } = settings();
  text("steps-text", String(steps));
  text("guidance-text", String(guidance));
  input("steps").setAttribute("aria-valuetext", `${steps} steps`);
}

/** Sets the fields to what a link says. */
export function showSettings({ steps, guidance }: PlaySettings): void {
  const at = DIAL_STEPS.findIndex((count) => count === steps);
  if (at >= 0) input("steps").value = String(at);
  input("guidance").value = String(guidance);
  labelSettings();
}
