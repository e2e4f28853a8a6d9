/** A file that a page consists of. */
export interface PageFile {
  /** Its bytes. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** Its media type. */
  readonly type: string;
}

/** A page on this machine. */
export interface PageServer {
  /** Its port. */
  readonly port: number;
  /** Resolves when it was closed. */
  readonly finished: Promise<void>;
  /** Closes it. */
  close(): Promise<void>;
}

/** What a page may load: its own files, and nothing from elsewhere. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "media-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

const HEADERS = {
  "content-security-policy": `${PAGE_POLICY}; frame-ancestors 'none'`,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};

function refuse(status: number, why: string): Response {
  return new Response(`${why}\n`, { status, headers: HEADERS });
}

/**
 * Answers a request for one of a page's files.
 *
 * A page of another site that makes a name of its own lead here (DNS rebinding)
 * sends that name as host; one that asks by address sends its origin. Both are
 * refused.
 *
 * @param files by name; "index.html" is the page
 * @param port that the server listens on
 * @param request of a browser
 */
export function answerPage(
  files: Readonly<Record<string, PageFile>>,
  port: number,
  request: Request,
): Response {
  const hosts = [`127.0.0.1:${port}`, `localhost:${port}`];
  const host = request.headers.get("host") ?? "";
  if (!hosts.includes(host)) {
    return refuse(403, `Cannot serve host "${host}": needed ${hosts[0]}`);
  }
  const origin = request.headers.get("origin");
  if (origin !== null && !hosts.some((own) => origin === `http://${own}`)) {
    return refuse(403, `Cannot serve a page of "${origin}"`);
  }
  const site = request.headers.get("sec-fetch-site");
  if (
    site === "cross-site" &&
    request.headers.get("sec-fetch-mode") !== "navigate"
  ) {
    return refuse(403, "Cannot serve a page of another site");
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return refuse(405, `Cannot ${request.method}: files are only read`);
  }
  const path = new URL(request.url).pathname.slice(1);
  const name = path === "" ? "index.html" : path;
  const file = Object.hasOwn(files, name) ? files[name] : undefined;
  if (file === undefined) return refuse(404, "There is no such file");
  const headers = {
    ...HEADERS,
    "content-type": file.type,
    "content-length": String(file.body.length),
  };
  const body = request.method === "HEAD" ? null : file.body;
  return new Response(body, { headers });
}

/**
 * Serves a page to this machine only; nothing but the given files, from memory.
 *
 * @param files by name; "index.html" is the page
 * @param port on 127.0.0.1; 0 for any that is free
 * @throws {Error} if the port is taken
 */
export function servePage(
  files: Readonly<Record<string, PageFile>>,
  port: number,
): PageServer {
  let own = port;
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve(
      { hostname: "127.0.0.1", port, onListen() {} },
      (request) => answerPage(files, own, request),
    );
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    throw new Error(
      `Cannot serve on port ${port}: it is taken; choose another --port, or 0 for any that is free`,
    );
  }
  own = server.addr.port;
  return {
    port: own,
    finished: server.finished,
    close: () => server.shutdown(),
  };
}
