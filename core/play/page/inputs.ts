import { type Controls, eased, gamepadControls } from "../drivers.ts";

/** Keys that hold the wheel or a pedal, by their code. */
const HOLDS: Readonly<Record<string, readonly [keyof Controls, number]>> = {
  ArrowLeft: ["wheel", 1],
  KeyA: ["wheel", 1],
  ArrowRight: ["wheel", -1],
  KeyD: ["wheel", -1],
  ArrowUp: ["pedal", 1],
  KeyW: ["pedal", 1],
  ArrowDown: ["pedal", -1],
  KeyS: ["pedal", -1],
};

/** Whether a key belongs to the element that has the focus. */
function isTyping({ target, code }: KeyboardEvent): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName)) {
    return !(target instanceof HTMLInputElement && target.type === "checkbox" &&
      code !== "Space");
  }
  return target.tagName === "BUTTON" && (code === "Space" || code === "Enter");
}

/**
 * Wheel and pedals as keys, pointer and gamepad hold them.
 */
export class Inputs {
  readonly #held: Set<string> = new Set();
  #pointer: Partial<Controls> = {};
  #wheel = 0;
  #pedal = 0;
  #at = performance.now();

  /**
   * Listens.
   *
   * @param wheel element that is turned
   * @param pedal element that is pressed
   * @param commands what single keys do, by their code
   */
  constructor(
    wheel: HTMLElement,
    pedal: HTMLElement,
    commands: Readonly<Record<string, () => void>>,
  ) {
    addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) {
        return;
      }
      const command = commands[event.code];
      if (HOLDS[event.code] === undefined && command === undefined) return;
      event.preventDefault();
      if (command === undefined) this.#held.add(event.code);
      else if (!event.repeat) command();
    });
    addEventListener("keyup", ({ code }) => this.#held.delete(code));
    addEventListener("blur", () => this.#held.clear());
    this.#drag(
      wheel,
      "wheel",
      ({ x }, { left, width }) => -2 * ((x - left) / width - 0.5),
    );
    this.#drag(
      pedal,
      "pedal",
      ({ y }, { top, height }) => -2 * ((y - top) / height - 0.5),
    );
  }

  /** Reads a control from where the pointer is, while it is down. */
  #drag(
    element: HTMLElement,
    control: keyof Controls,
    read: (event: PointerEvent, box: DOMRect) => number,
  ): void {
    const follow = (event: PointerEvent) => {
      const value = read(event, element.getBoundingClientRect());
      this.#pointer = {
        ...this.#pointer,
        [control]: Math.max(-1, Math.min(1, value)),
      };
    };
    element.addEventListener("pointerdown", (event) => {
      element.setPointerCapture(event.pointerId);
      follow(event);
    });
    element.addEventListener("pointermove", (event) => {
      if (element.hasPointerCapture(event.pointerId)) follow(event);
    });
    const end = () => {
      const { [control]: _, ...rest } = this.#pointer;
      this.#pointer = rest;
    };
    element.addEventListener("pointerup", end);
    element.addEventListener("pointercancel", end);
  }

  /** Moves wheel and pedal to where they are held now. */
  read(): Controls {
    const now = performance.now();
    const elapsed = Math.min(200, now - this.#at);
    this.#at = now;
    const target = { wheel: 0, pedal: 0 };
    for (const code of this.#held) {
      const [control, value] = HOLDS[code]!;
      target[control] += value;
    }
    const pads = navigator.getGamepads?.() ?? [];
    const pad = pads.find((one) => one?.connected);
    const padded = pad && gamepadControls(
      pad.axes,
      pad.buttons.map(({ value }) => value),
    );
    const direct = { ...padded, ...this.#pointer };
    this.#wheel = direct.wheel ??
      eased(this.#wheel, Math.max(-1, Math.min(1, target.wheel)), elapsed);
    this.#pedal = direct.pedal ??
      eased(this.#pedal, Math.max(-1, Math.min(1, target.pedal)), elapsed);
    return { wheel: this.#wheel, pedal: this.#pedal };
  }
}
