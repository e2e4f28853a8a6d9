import { assert, assertEquals } from "@std/assert";
import { dirname, fromFileUrl, join, relative } from "@std/path";

const root = fromFileUrl(new URL("..", import.meta.url));

/**
 * The rooms in order; those of one row have the same rank. A file imports from
 * its own room and from rows above, never from below.
 */
const ROWS: readonly (readonly string[])[] = [
  ["kernels"],
  ["core/gpu"],
  ["core/tensor"],
  ["core/ops"],
  ["core/formats"],
  ["core/nn"],
  ["core/diffusion"],
  ["core/encoders", "core/models"],
  ["core/data"],
  ["core/metrics", "core/report"],
  ["core/training"],
  ["core/play"],
  ["core/experiment"],
  ["core/lab"],
  ["core/sweep"],
  ["experiments"],
  ["mod.ts"],
];

/** What the order would allow but the room must not know. */
const FORBIDDEN: Readonly<Record<string, readonly string[]>> = {
  // Files in and out run without a GPU.
  "core/formats": ["core/gpu", "core/tensor", "core/ops"],
  "core/encoders": ["core/models", "core/diffusion"],
  "core/models": ["core/encoders"],
  // It takes functions.
  "core/data": ["core/encoders", "core/models"],
  // Numbers and reports run without a GPU.
  "core/metrics": ["core/gpu", "core/tensor", "core/ops", "core/nn"],
  "core/report": ["core/gpu", "core/tensor", "core/ops", "core/nn"],
  // A run is a run, whatever it trains.
  "core/experiment": ["core/models", "core/encoders"],
};

/** Files that every room may use: arithmetic on the host, no device. */
const HOST_ONLY: readonly string[] = ["core/tensor/philox.ts"];

interface Import {
  /** The importing file, from the project folder. */
  readonly from: string;
  /** The imported file, from the project folder. */
  readonly to: string;
  /** Whether it vanishes when types are removed. */
  readonly isType: boolean;
}

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(join(root, folder))) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* sources(path);
    else if (entry.name.endsWith(".ts")) yield path;
  }
}

/** The room of a file: the longest one that its path starts with. */
function roomOf(path: string): string | undefined {
  return ROWS.flat().find((room) =>
    path === room || path.startsWith(`${room}/`)
  );
}

function rank(room: string): number {
  return ROWS.findIndex((row) => row.includes(room));
}

/** The relative imports in the text of a file, comments left out. */
function importsOf(from: string, text: string): Import[] {
  const code = text
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/^\s*\/\/.*$/gm, "");
  const statement =
    /\b(?:import|export)\s+(type\s)?(?:[\w$*{}\s,]*?\sfrom\s+)?"(\.[^"]+)"/g;
  const dynamic = /\bimport\(\s*"(\.[^"]+)"/g;
  const resolveFrom = (target: string) => join(dirname(from), target);
  return [
    ...[...code.matchAll(statement)].map(([, type, target = ""]) => ({
      from,
      to: resolveFrom(target),
      isType: type !== undefined,
    })),
    ...[...code.matchAll(dynamic)].map(([, target = ""]) => ({
      from,
      to: resolveFrom(target),
      isType: false,
    })),
  ];
}

/** Says why an import breaks the order of rooms; undefined if it does not. */
function complaint({ from, to, isType }: Import): string | undefined {
  const place = `${from} imports ${to}:`;
  if (to.startsWith("tests/")) return `${place} only tests import from tests/`;
  const room = roomOf(from);
  const other = roomOf(to);
  if (room === undefined) return `${from} stands in no room`;
  if (other === undefined) return `${place} it stands in no room`;
  if (room === other) return undefined;
  if (rank(other) > rank(room)) {
    return `${place} ${other} stands below ${room}`;
  }
  if (
    !isType && FORBIDDEN[room]?.includes(other) && !HOST_ONLY.includes(to)
  ) {
    return `${place} ${room} must not know ${other}`;
  }
  return undefined;
}

async function readImports(folders: readonly string[]): Promise<Import[]> {
  const found: Import[] = [];
  for (const folder of folders) {
    for await (const path of sources(folder)) {
      const text = await Deno.readTextFile(join(root, path));
      found.push(...importsOf(path, text));
    }
  }
  return found;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(join(root, path)).then(() => true, () => false);
}

async function existing(paths: readonly string[]): Promise<string[]> {
  const found = [];
  for (const path of paths) if (await exists(path)) found.push(path);
  return found;
}

Deno.test("rooms import only from rooms above them", async () => {
  const imports = await readImports(
    await existing(["core", "kernels", "experiments"]),
  );
  if (await exists("mod.ts")) {
    const text = await Deno.readTextFile(join(root, "mod.ts"));
    imports.push(...importsOf("mod.ts", text));
  }
  assert(imports.length > 50, `only ${imports.length} imports were found`);
  const complaints = imports.map(complaint).filter((text) =>
    text !== undefined
  );
  assertEquals(complaints, []);
});

Deno.test("rooms are listed completely", async () => {
  const stray: string[] = [];
  for await (const entry of Deno.readDir(join(root, "core"))) {
    const path = `core/${entry.name}`;
    if (entry.isDirectory && roomOf(path) === undefined) stray.push(path);
  }
  assertEquals(stray, []);
});

Deno.test("rooms check finds an import from below, of tests and of a stranger", () => {
  const check = (from: string, text: string) =>
    importsOf(from, text).map(complaint);
  assertEquals(
    check("core/gpu/a.ts", 'import { b } from "../tensor/b.ts";'),
    ["core/gpu/a.ts imports core/tensor/b.ts: core/tensor stands below core/gpu"],
  );
  assertEquals(
    check("core/nn/a.ts", 'export * from "../../tests/support/gpu.ts";'),
    [
      "core/nn/a.ts imports tests/support/gpu.ts: only tests import from tests/",
    ],
  );
  assertEquals(
    check("core/report/a.ts", 'import {\n  b,\n} from "../gpu/gpu.ts";'),
    [
      "core/report/a.ts imports core/gpu/gpu.ts: core/report must not know core/gpu",
    ],
  );
  assertEquals(
    check("core/report/a.ts", 'import type { B } from "../gpu/gpu.ts";'),
    [undefined],
  );
  assertEquals(
    check("core/ops/a.ts", 'const b = await import("../other/b.ts");'),
    ["core/ops/a.ts imports core/other/b.ts: it stands in no room"],
  );
});

Deno.test("rooms keep a test beside every op", async () => {
  const list = "core/ops/mod.ts";
  const text = await Deno.readTextFile(join(root, list));
  const ops = importsOf(list, text).map(({ to }) => to);
  assert(ops.length > 0, `${list} exports no op`);
  const tests: string[] = [];
  for await (const path of sources("tests/ops")) tests.push(path);
  const untested = ops.filter((op) => {
    const stem = relative("core", op).replace(/\.ts$/, "");
    return !tests.some((path) =>
      path.startsWith(`tests/${stem}_`) && path.endsWith("_test.ts")
    );
  });
  assertEquals(untested, []);
});

Deno.test("rooms of the check:browser task use neither Deno nor Node", async () => {
  const { tasks } = JSON.parse(
    await Deno.readTextFile(join(root, "deno.json")),
  );
  const [, ...paths] = tasks["check:browser"].command.split(
    /check-browser\.json | (?=core|kernels)/,
  ).filter((word: string) => word !== "");
  assert(paths.includes("core/models"), paths.join());
  const files: string[] = [];
  for (const path of paths) {
    if (path.endsWith(".ts")) files.push(path);
    else for await (const file of sources(path)) files.push(file);
  }
  const found: string[] = [];
  for (const file of files) {
    const text = await Deno.readTextFile(join(root, file));
    if (/\bDeno\.|"node:/.test(text)) found.push(file);
  }
  assertEquals(found, []);
});

/** Lines of an experiment: it reads like its section of the paper. */
const MOST_LINES = 200;

Deno.test("experiments are one short file each, wire what rooms hold, and do not know each other", async () => {
  const faults: string[] = [];
  for await (const path of sources("experiments")) {
    if (path.startsWith("experiments/commands/")) continue;
    const text = await Deno.readTextFile(join(root, path));
    const code = text.replace(/\/\*[\s\S]*?\*\//g, "");
    const lines = text.trimEnd().split("\n").length;
    // Claims of the paper, which no experiment reads.
    if (path.startsWith("experiments/catalogue/")) continue;
    const isData = path === "experiments/paper.ts";
    if (lines > MOST_LINES && !isData) {
      faults.push(`${path} has ${lines} lines`);
    }
    for (const { to } of importsOf(path, text)) {
      if (to.startsWith("experiments/") && to !== "experiments/paper.ts") {
        faults.push(`${path} imports ${to}`);
      }
    }
    if (/\bfor \((?:let|var) /.test(code)) {
      faults.push(`${path} counts in a loop: values and pixels are for a room`);
    }
  }
  assertEquals(faults, []);
});
