import { assert, assertEquals } from "@std/assert";
import { CATALOGUE } from "../../experiments/catalogue/mod.ts";
import * as paper from "../../experiments/paper.ts";
import { inOrderOfPaper } from "../../core/experiment/paper/catalogue.ts";
import { readExperiments } from "../../core/experiment/tasks.ts";

const root = new URL("../../", import.meta.url);
const experiments = readExperiments(
  await Deno.readTextFile(new URL("deno.json", root)),
);
const claims = CATALOGUE.sections.flatMap(({ claims }) => claims);

/** Paths of the numbers of a value that stand below no place. */
function placeless(value: unknown, path: string): string[] {
  if (typeof value === "number") return [path];
  if (typeof value !== "object" || value === null) return [];
  const { where } = value as { where?: unknown };
  if (typeof where === "string" && where.trim() !== "") return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    placeless(inner, `${path}.${key}`)
  );
}

Deno.test("paper: every number has its place", () => {
  const places: Readonly<Record<string, string>> = paper.PLACES;
  const lost = Object.entries(paper)
    .filter(([name]) => places[name] === undefined)
    .flatMap(([name, value]) => placeless(value, name));
  assertEquals(lost, []);
  const names = Object.keys(paper);
  assertEquals(Object.keys(places).filter((one) => !names.includes(one)), []);
  assertEquals(placeless({ a: { b: 1, where: "" } }, "x"), ["x.a.b"]);
});

Deno.test("catalogue: every part of the paper has claims, each with an id of its own", () => {
  const titles = CATALOGUE.sections.map(({ title }) => title.split(" ")[0]);
  const parts = ["Abstract", "Contributions", "5.1", "5.2", "5.3", "5.4"];
  assertEquals(titles, [...parts, "5.5", "5.6"]);
  for (const { title, claims } of CATALOGUE.sections) {
    assert(claims.length >= 5, `${title} has ${claims.length} claims`);
  }
  const ids = claims.map(({ id }) => id);
  assertEquals(ids.filter((id, i) => ids.indexOf(id) !== i), []);
  for (const { id, text, place } of claims) {
    assert(/^[a-z]+(-[a-z0-9]+)+$/.test(id), id);
    assert(text.length > 0 && place.length > 0, id);
  }
});

Deno.test("catalogue: each claim names an experiment of deno.json that judges it, or a reason", () => {
  const faults = claims.flatMap(({ id, judge }) =>
    "untestable" in judge
      ? judge.untestable.length > 20 ? [] : [`${id}: no reason`]
      : experiments.has(judge.experiment)
      ? []
      : [`${id}: there is no exp:${judge.experiment}`]
  );
  assertEquals(faults, []);
});

/** Text of an experiment and of the room that it wires. */
async function sourceOf(name: string): Promise<string> {
  const texts = [
    await Deno.readTextFile(new URL(`experiments/${name}.ts`, root)),
  ];
  for await (const { name } of Deno.readDir(new URL("core/lab", root))) {
    texts.push(await Deno.readTextFile(new URL(`core/lab/${name}`, root)));
  }
  return texts.join("\n");
}

/** Whether a name stands in a source: whole, or as parts of a template. */
function isIn(source: string, name: string): boolean {
  if (source.includes(`"${name}"`)) return true;
  if (
    new RegExp(`(^|[\\s{])${name.replaceAll("-", "\\-")}:`, "m").test(source)
  ) {
    return true;
  }
  const dash = name.indexOf("-");
  if (dash < 0) return false;
  return source.includes(`\`${name.slice(0, dash + 1)}\${`) ||
    source.includes(`}${name.slice(dash)}\``) ||
    source.includes("}-${");
}

Deno.test("catalogue: claims and cells that it names stand in the sources of their experiments", async () => {
  const faults: string[] = [];
  for (const { id, judge } of claims) {
    if ("untestable" in judge) continue;
    const source = await sourceOf(judge.experiment);
    const names = "claim" in judge
      ? [judge.claim]
      : [judge.cell.table, judge.cell.column];
    for (const name of names) {
      if (!isIn(source, name)) faults.push(`${id}: ${name}`);
    }
  }
  assertEquals(faults, []);
});

Deno.test("catalogue: every experiment judges something or shows something", () => {
  const used = new Set([
    ...claims.map(({ judge }) => judge),
    ...CATALOGUE.exhibits.map(({ shown }) => shown),
  ].flatMap((one) => "experiment" in one ? [one.experiment] : []));
  assertEquals([...experiments.keys()].filter((one) => !used.has(one)), []);
});

Deno.test("catalogue: tables 1 and 2 and figures 1 to 10 are there", () => {
  const figures = Array.from({ length: 10 }, (_, i) => `Figure ${i + 1}`);
  const names = CATALOGUE.exhibits.map(({ name }) => name);
  assertEquals(names, ["Table 1", "Table 2", ...figures]);
});

Deno.test("catalogue: all differences of paper and code are listed", () => {
  const counts = Object.values(CATALOGUE.differences).map((rows) =>
    rows.length
  );
  assertEquals(counts, [48, 10, 13]);
  for (const rows of Object.values(CATALOGUE.differences)) {
    const topics = rows.map(({ topic }) => topic);
    assertEquals(new Set(topics).size, topics.length);
    for (const { code, here } of rows) assert(code !== "" && here !== "");
  }
});

Deno.test("inOrderOfPaper puts experiments where the paper comes to them, strangers last", () => {
  assertEquals(
    inOrderOfPaper(CATALOGUE, ["none", "motion", "frontier", "encoders"]),
    ["encoders", "frontier", "motion", "none"],
  );
});
