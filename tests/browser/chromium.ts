/**
 * Debian's Chromium, driven by the DevTools protocol.
 *
 * @module
 */

const CHROMIUM = "/usr/bin/chromium";

/** Milliseconds that a browser may take to answer. */
const LIMIT_MS = 60_000;

type Json = Record<string, unknown>;

/** Waits until something is there. */
export async function until<T>(
  what: string,
  find: () => Promise<T | undefined>,
  limitMs = LIMIT_MS,
): Promise<T> {
  const end = performance.now() + limitMs;
  while (performance.now() < end) {
    const found = await find();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`Cannot wait any longer for ${what}: ${limitMs} ms went by`);
}

/** A tab of the browser. */
export class Tab implements Disposable {
  /** Errors and warnings of its console, and uncaught exceptions. */
  readonly complaints: string[] = [];
  readonly #socket: WebSocket;
  readonly #answers: Map<number, PromiseWithResolvers<Json>> = new Map();
  #next = 1;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
  }

  /** Opens a tab by its DevTools address. */
  static async open(url: string): Promise<Tab> {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    const tab = new Tab(socket);
    for (const domain of ["Runtime", "Log", "Page"]) {
      await tab.send(`${domain}.enable`);
    }
    return tab;
  }

  #take({ id, result, error, method, params }: Json): void {
    if (typeof id === "number") {
      const waiting = this.#answers.get(id);
      this.#answers.delete(id);
      if (error) waiting?.reject(new Error(JSON.stringify(error)));
      else waiting?.resolve(result as Json);
      return;
    }
    const facts = params as Json;
    if (method === "Runtime.exceptionThrown") {
      this.complaints.push(JSON.stringify(facts.exceptionDetails));
    }
    if (method === "Runtime.consoleAPICalled") {
      const { type, args } = facts as { type: string; args: Json[] };
      if (!/error|warning|assert/.test(type)) return;
      this.complaints.push(
        `${type}: ${args.map((each) => each.value ?? each.description)}`,
      );
    }
    if (method === "Log.entryAdded") {
      const { level, text, url } = facts.entry as Record<string, string>;
      if (/error|warning/.test(level ?? "")) {
        this.complaints.push(`${level}: ${text} ${url ?? ""}`);
      }
    }
  }

  /** Calls a method of the protocol. */
  send(method: string, params: Json = {}): Promise<Json> {
    const id = this.#next++;
    const waiting = Promise.withResolvers<Json>();
    this.#answers.set(id, waiting);
    this.#socket.send(JSON.stringify({ id, method, params }));
    return waiting.promise;
  }

  /** Evaluates an expression in the page; its value must be JSON. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      ...{ expression, awaitPromise: true, returnByValue: true },
      userGesture: true,
    }) as { result: { value: T }; exceptionDetails?: Json };
    if (exceptionDetails !== undefined) {
      throw new Error(
        `Cannot evaluate "${expression}": ${JSON.stringify(exceptionDetails)}`,
      );
    }
    return result.value;
  }

  /** Text of an element. */
  text(id: string): Promise<string> {
    return this.evaluate(`document.getElementById("${id}").textContent`);
  }

  /** Waits until the text of an element matches. */
  async match(id: string, pattern: RegExp, limitMs?: number): Promise<string> {
    let last = "";
    return await until(
      `#${id} to match ${pattern}`,
      async () => {
        // A page that is just opened has no elements.
        last = await this.evaluate(
          `document.getElementById("${id}")?.textContent ?? ""`,
        );
        return pattern.test(last) ? last : undefined;
      },
      limitMs,
    ).catch((error) => {
      throw new Error(`${error.message}; it is "${last}"`);
    });
  }

  /** Presses a key, or lets it go, or both. */
  async key(
    code: string,
    what: "down" | "up" | "both" = "both",
  ): Promise<void> {
    for (const type of ["down", "up"] as const) {
      if (what !== "both" && what !== type) continue;
      const kind = type === "down" ? "rawKeyDown" : "keyUp";
      await this.send("Input.dispatchKeyEvent", {
        type: kind,
        code,
        key: code,
      });
    }
  }

  /** Clicks an element. */
  click(id: string): Promise<void> {
    return this.evaluate(`document.getElementById("${id}").click()`);
  }

  /** Sets a field as a person would. */
  set(id: string, value: string): Promise<void> {
    return this.evaluate(`{
      const field = document.getElementById("${id}");
      field.value = ${JSON.stringify(value)};
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }`);
  }

  /** Saves a picture of the whole page. */
  async screenshot(path: string): Promise<void> {
    const { data } = await this.send("Page.captureScreenshot", {
      captureBeyondViewport: true,
    }) as { data: string };
    await Deno.writeFile(
      path,
      Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)),
    );
  }

  /** Closes the tab, and the connection with it. */
  [Symbol.dispose](): void {
    this.#answers.clear();
    this.#socket.send(JSON.stringify({ id: 0, method: "Page.close" }));
  }
}

/** A browser that runs. */
export interface Browser extends AsyncDisposable {
  /** Opens an address in a tab of its own. */
  open(url: string): Promise<Tab>;
}

/**
 * Starts Chromium with WebGPU on SwiftShader, without a window.
 *
 * @param folder of its profile, emptied before
 */
export async function startChromium(folder: string): Promise<Browser> {
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await Deno.mkdir(folder, { recursive: true });
  const browser = new Deno.Command(CHROMIUM, {
    args: [
      "--headless",
      "--no-sandbox",
      "--enable-unsafe-webgpu",
      "--use-webgpu-adapter=swiftshader",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--remote-debugging-port=0",
      "--remote-allow-origins=*",
      "--window-size=1000,1400",
      `--user-data-dir=${folder}`,
      "about:blank",
    ],
    stdout: "null",
    stderr: "null",
  }).spawn();
  const port = await until("the browser", async () => {
    const text = await Deno.readTextFile(`${folder}/DevToolsActivePort`)
      .catch(() => "");
    return text === "" ? undefined : Number(text.split("\n")[0]);
  });
  return {
    async open(url) {
      const response = await fetch(
        `http://127.0.0.1:${port}/json/new?about:blank`,
        { method: "PUT" },
      );
      const { webSocketDebuggerUrl } = await response.json();
      const tab = await Tab.open(webSocketDebuggerUrl);
      await tab.send("Page.navigate", { url });
      return tab;
    },
    async [Symbol.asyncDispose]() {
      browser.kill("SIGTERM");
      await browser.status;
    },
  };
}
