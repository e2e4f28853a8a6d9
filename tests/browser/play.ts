/**
 * Drives the page of `./run play` in Debian's Chromium, as a person would, and
 * compares its frames with Deno's. `deno task test:browser`.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { servePage } from "../../core/experiment/serve_page.ts";
import { Gpu } from "../../core/gpu/gpu.ts";
import {
  pageFiles,
  readPlayed,
  SHIPPED_FRAME,
} from "../../core/lab/play_page.ts";
import { SHIPPED_VAE } from "../../core/lab/tune_vae.ts";
import { fromFragment } from "../../core/play/log.ts";
import { Session } from "../../core/play/session.ts";
import { openPlayed, openPlayedVae } from "../../core/play/weights.ts";
import { startChromium, type Tab, until } from "./chromium.ts";

const FOLDER = ".test/browser-play";

/** Milliseconds from opening to the first frame, on two idle cores. */
const FIRST_FRAME_MS = 10_000;

/** Mean difference of frames of two adapters, levels, over a few frames. */
const MOST_DIFFERENCE = 2;

const files = await pageFiles({ model: SHIPPED_FRAME, vae: SHIPPED_VAE });
const server = servePage(files, 0);
const address = `http://127.0.0.1:${server.port}/`;
await using browser = await startChromium(`${FOLDER}/profile`);
const done: string[] = [];

/** Runs a part of the drive and says so. */
async function part(name: string, work: () => Promise<unknown>): Promise<void> {
  const begin = performance.now();
  const result = await work();
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  const note = typeof result === "string" ? `: ${result}` : "";
  done.push(name);
  console.log(`ok ${name}${note} (${seconds} s)`);
}

const opened = performance.now();
using tab: Tab = await browser.open(address);

const frame = async () =>
  Number(/frame (\d+)/.exec(await tab.text("age"))?.[1] ?? 0);
const framesFrom = (first: number) =>
  until("more frames", async () => await frame() >= first || undefined);
const wheel = async () =>
  Number(
    await tab.evaluate(
      `document.getElementById("wheel").getAttribute("aria-valuenow")`,
    ),
  );
const shoot = (name: string) => tab.screenshot(`${FOLDER}/${name}.png`);

await part("opens and shows the first frame", async () => {
  await tab.match("status", /^Ready/);
  const ms = performance.now() - opened;
  if (ms > FIRST_FRAME_MS) console.log(`slow: ${ms.toFixed(0)} ms`);
  await shoot("ready");
  return `${(ms / 1000).toFixed(1)} s, ${await tab.text("fact-adapter")}`;
});

await part("drives by keys, and moves nothing on the page", async () => {
  // One step without guidance: a software adapter takes seconds for more.
  await tab.set("steps", "0");
  await tab.set("guidance", "1");
  await tab.match("limits", /Measured|^$/);
  await tab.key("KeyP");
  await tab.key("ArrowLeft", "down");
  await framesFrom(2);
  assertEquals(await wheel(), 100);
  await tab.evaluate(`{
    globalThis.shift = 0;
    globalThis.shifted = [];
    new PerformanceObserver((list) => {
      for (const { value, sources } of list.getEntries()) {
        globalThis.shift += value;
        globalThis.shifted = sources.map(({ node }) => node?.id || node?.nodeName);
      }
    }).observe({ type: "layout-shift" });
  }`);
  await tab.key("ArrowLeft", "up");
  await framesFrom(5);
  const speed = await tab.text("fact-speed");
  // Before a picture of the whole page, which moves it.
  const [shift, what] = await tab.evaluate<[number, string[]]>(
    `[globalThis.shift, globalThis.shifted]`,
  );
  assert(shift < 0.001, `layout shift ${shift} of ${what}`);
  await shoot("driving");
  await tab.key("KeyP");
  return speed;
});

await part("pauses and steps once", async () => {
  await tab.match("pause", /^Drive/);
  const before = await until("a still page", async () => {
    const first = await frame();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    return await frame() === first ? first : undefined;
  });
  await tab.click("step");
  await framesFrom(before + 1);
  assertEquals(await frame(), before + 1);
});

await part("steers by touch", async () => {
  await tab.send("Emulation.setTouchEmulationEnabled", { enabled: true });
  const [x, y] = await tab.evaluate<[number, number]>(`(() => {
    document.getElementById("wheel").scrollIntoView({ block: "center" });
    const box = document.getElementById("wheel").getBoundingClientRect();
    return [box.left + box.width * 0.75, box.top + box.height / 2];
  })()`);
  await tab.send("Input.dispatchTouchEvent", {
    type: "touchStart",
    touchPoints: [{ x, y }],
  });
  await tab.match("wheel-text", /^(49|5\d) % right/);
  await tab.send("Input.dispatchTouchEvent", {
    type: "touchEnd",
    touchPoints: [],
  });
  await tab.send("Emulation.setTouchEmulationEnabled", { enabled: false });
});

await part("steers by a gamepad", async () => {
  await tab.evaluate(`navigator.getGamepads = () => [{
    connected: true,
    axes: [-1, 0],
    buttons: Array.from({ length: 17 }, () => ({ value: 0 })),
  }]`);
  await tab.match("wheel-text", /^100 % left/);
  await tab.evaluate(`navigator.getGamepads = () => []`);
  await tab.match("wheel-text", /^0 %/);
});

await part("shows five futures", async () => {
  await tab.key("KeyF");
  await tab.match("status", /^Five futures/);
  const count = await tab.evaluate<number>(
    `document.querySelectorAll("#futures canvas").length`,
  );
  assertEquals(count, 5);
  await shoot("futures");
});

await part("shows the dream the truth", async () => {
  await tab.key("KeyT");
  await tab.match("status", /shown the truth/);
  const before = await frame();
  await tab.click("step");
  await framesFrom(before + 1);
  const age = await tab.text("age");
  assert(age.startsWith("0.5 s"), age);
});

await part("changes steps, scene and driver", async () => {
  await tab.set("steps", "1");
  assertEquals(await tab.text("steps-text"), "2");
  await tab.set("scene", "9007");
  await until("a new scene", async () => await frame() === 0 || undefined);
  await tab.set("driver", "recorded");
  await tab.click("step");
  await framesFrom(1);
  await tab.set("driver", "straight");
  await tab.set("steps", "0");
  await tab.click("step");
  await framesFrom(2);
});

let link = "";
await part("replays a link bit for bit", async () => {
  await tab.set("driver", "person");
  await tab.key("ArrowRight", "down");
  const before = await frame();
  for (let i = 1; i <= 3; i++) {
    await tab.click("step");
    await framesFrom(before + i);
  }
  await tab.key("ArrowRight", "up");
  await tab.click("share");
  await tab.match("status", /link/);
  link = await tab.evaluate<string>(`document.getElementById("link").value`);
  using other = await browser.open(link);
  const said = await other.match("status", /^Replayed/, 180_000);
  assert(/equal bit for bit/.test(said), said);
  assertEquals(other.complaints, []);
  return `${link.length} letters, ${said}`;
});

await part("shows the frames that Deno shows", async () => {
  const log = fromFragment(new URL(link).hash)!;
  using gpu = await Gpu.open();
  using played = await openPlayed(gpu, await readPlayed(SHIPPED_FRAME));
  using autoencoder = await openPlayedVae(
    gpu,
    await Deno.readFile(SHIPPED_VAE),
  );
  const [first, ...events] = log.events;
  assert(first?.kind === "settings");
  const session = await Session.begin(gpu, { played, vae: autoencoder.vae }, {
    ...log,
    settings: first,
  });
  let dream: ArrayLike<number> = [];
  for (const event of events) {
    dream = (await session.replay(event))?.dream ?? dream;
  }
  const seen = await tab.evaluate<number[]>(`Array.from(
    document.getElementById("dream").getContext("2d")
      .getImageData(0, 0, 64, 64).data.filter((_, i) => i % 4 !== 3))`);
  assertEquals(seen.length, dream.length);
  const difference = seen.reduce(
    (sum, x, i) => sum + Math.abs(x - dream[i]!),
    0,
  ) / seen.length;
  assert(difference <= MOST_DIFFERENCE, `mean difference ${difference}`);
  return `mean difference ${
    difference.toFixed(3)
  } levels after ${session.frame} frames`;
});

await part("saves picture, actions and video", async () => {
  const downloads = `${Deno.cwd()}/${FOLDER}/downloads`;
  await Deno.remove(downloads, { recursive: true }).catch(() => {});
  await tab.send("Browser.setDownloadBehavior", {
    behavior: "allow",
    downloadPath: downloads,
  });
  await tab.click("png");
  await tab.click("log");
  await tab.click("record");
  const before = await frame();
  for (let i = 1; i <= 2; i++) {
    await tab.click("step");
    await framesFrom(before + i);
  }
  await tab.click("record");
  const find = async (name: string) =>
    await until(name, async () => {
      const bytes = await Deno.readFile(`${downloads}/${name}`)
        .catch(() => undefined);
      return bytes !== undefined && bytes.length > 0 ? bytes : undefined;
    });
  const png = await find("drive-9007.png");
  assertEquals([...png.slice(1, 4)], [...new TextEncoder().encode("PNG")]);
  const log = JSON.parse(
    new TextDecoder().decode(await find("drive-9007.json")),
  );
  assertEquals(log.scene, "drive-9007");
  assertEquals(log.actions.length, before);
  const film = await find("drive-9007.webm");
  assertEquals([...film.slice(0, 4)], [0x1a, 0x45, 0xdf, 0xa3]); // EBML
  return `video of ${film.length} bytes`;
});

await part("names every control for screen readers", async () => {
  const { nodes } = await tab.send("Accessibility.getFullAXTree") as {
    nodes: { role?: { value: string }; name?: { value: string } }[];
  };
  const controls = nodes.filter(({ role }) =>
    /^(button|slider|spinbutton|combobox|checkbox|textbox|image)$/
      .test(role?.value ?? "")
  );
  assert(controls.length > 20, `only ${controls.length} controls`);
  const nameless = controls.filter(({ name }) => !name?.value);
  assertEquals(nameless, []);
});

await part("reaches every control by the keyboard", async () => {
  const all = await tab.evaluate<number>(`[...document.querySelectorAll(
    "button, input, select, [role=slider]")].filter((one) => !one.disabled).length`);
  await tab.evaluate(`document.activeElement?.blur(); scrollTo(0, 0)`);
  const seen = new Set<string>();
  for (let i = 0; i < all + 5; i++) {
    await tab.send("Input.dispatchKeyEvent", {
      ...{ type: "keyDown", key: "Tab", code: "Tab" },
      windowsVirtualKeyCode: 9,
    });
    seen.add(
      await tab.evaluate(`document.activeElement?.id ?? ""`),
    );
  }
  const missed = await tab.evaluate<string[]>(`[...document.querySelectorAll(
    "button, input, select, [role=slider]")].filter((one) => !one.disabled)
    .map((one) => one.id)`);
  assertEquals(missed.filter((id) => !seen.has(id)), []);
});

await part("shows itself dark, and on a phone", async () => {
  await tab.send("Emulation.setEmulatedMedia", {
    features: [{ name: "prefers-color-scheme", value: "dark" }],
  });
  await shoot("dark");
  await tab.send("Emulation.setDeviceMetricsOverride", {
    ...{ width: 375, height: 812, deviceScaleFactor: 1, mobile: true },
  });
  await shoot("phone");
  const wide = await tab.evaluate<number>(
    `document.documentElement.scrollWidth`,
  );
  assert(wide <= 375, `${wide} pixels wide`);
  await tab.send("Emulation.clearDeviceMetricsOverride");
  await tab.send("Emulation.setEmulatedMedia", { features: [] });
});

await part("starts again after the device was lost", async () => {
  await tab.evaluate(`worldAction.gpu.device.destroy()`);
  await tab.match("status", /was lost/);
  await shoot("lost");
  await tab.click("reset");
  await tab.match("status", /^Ready/);
  await tab.click("step");
  await framesFrom(1);
});

await part("plays a recorded session without WebGPU", async () => {
  using other = await browser.open("about:blank");
  await other.send("Page.addScriptToEvaluateOnNewDocument", {
    source:
      `Object.defineProperty(Navigator.prototype, "gpu", { get: () => undefined })`,
  });
  await other.send("Page.navigate", { url: address });
  const said = await other.match("status", /recorded session/);
  await other.match("distance", /^Frame 3/);
  await other.screenshot(`${FOLDER}/without.png`);
  assertEquals(other.complaints, []);
  return said;
});

await part("works from a sub-path of another server", async () => {
  const plain = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      const { pathname } = new URL(request.url);
      const [, name] = /^\/some\/where\/(.*)$/.exec(pathname) ?? [];
      const file = files[name === "" ? "index.html" : name ?? ""];
      return file === undefined
        ? new Response("", { status: 404 })
        : new Response(file.body, { headers: { "content-type": file.type } });
    },
  );
  using other = await browser.open(
    `http://127.0.0.1:${plain.addr.port}/some/where/`,
  );
  await other.match("status", /^Ready/);
  assertEquals(other.complaints, []);
  await plain.shutdown();
});

await part("leaves the console clean", () => {
  assertEquals(tab.complaints, []);
  return Promise.resolve();
});

await server.close();
console.log(`Chromium drives the page: ${done.length} parts passed`);
