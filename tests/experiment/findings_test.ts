import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { parse } from "@std/csv";
import { join } from "@std/path";
import { above, claim } from "../../core/experiment/claims.ts";
import type {
  Facts,
  Finding,
  FindingTable,
} from "../../core/experiment/findings.ts";
import {
  readFindings,
  reportOf,
  writeFindings,
} from "../../core/experiment/findings_report.ts";
import { encodePng } from "../../core/formats/png.ts";
import { linePlot } from "../../core/report/plot.ts";

const EVIL = `<script>alert("1")</script>&'`;

type Findings = Facts & Finding;

function table(): FindingTable {
  return {
    title: "Figure 9",
    head: "Model",
    note: "Intervals: 95 % bootstrap over scenes.",
    columns: [
      {
        name: "rho",
        title: "Correlation",
        decimals: 2,
        direction: "higher",
        published: { diffusion: 0.81, constructor: 0.1, absent: 3 },
        where: "Section 5.5",
      },
      { name: "shift", title: "Shift", unit: "px", direction: "lower" },
      { name: "remark", title: "Remark" },
    ],
    rows: [
      {
        name: "diffusion",
        title: 'Diffusion, "raw"',
        cells: {
          rho: { value: 0.62, low: 0.51, high: 0.71, n: 40 },
          shift: 3.25,
          remark: 'a "b", c\nd',
        },
      },
      {
        name: "direct",
        cells: { rho: { value: NaN, low: -Infinity, high: 1 } },
      },
      // Names that every record has from Object.
      { name: "constructor", cells: { rho: "diverged", remark: true } },
      { name: "toString", cells: {} },
    ],
  };
}

function findings(): Findings {
  return {
    experiment: "controllability",
    source: "Section 5.5, Figure 9",
    title: "Does the scene move with the steering?",
    lead: "With equal noise, the steering is swept.",
    preset: "demo",
    isTested: true,
    seeds: [0, 1],
    params: { values: [-1, 0, 1], size: 64 },
    dataset: { name: "driveworld", scenes: 40, dropped: { dark: 2 } },
    artifacts: ["model/1f3a"],
    adapters: ["llvmpipe", "H100"],
    command: "./run exp:controllability",
    stages: [{ stage: "sweep", seconds: 12.5 }],
    seconds: 41.2,
    claims: [
      claim(
        "steers",
        "The scene moves with the steering",
        { value: 0.62, low: 0.51, high: 0.71, n: 40 },
        above(0.25),
        { value: 0.81, where: "Section 5.5" },
      ),
      claim(
        "moves",
        "It moves at all",
        { value: 0.1, low: -1, high: 1 },
        above(0),
      ),
      claim("far", "It moves far", { value: Infinity }, above(0)),
    ],
    tables: { figure9: table() },
    figures: {
      figure9: {
        svg: linePlot(
          [{ label: "diffusion", points: [{ x: 0, y: 0 }, { x: 1, y: 2 }] }],
          { xLabel: "steering", yLabel: "shift" },
        ),
        caption: "Figure 9",
      },
    },
    media: {
      frames: {
        bytes: encodePng({ width: 2, height: 1, data: new Uint8Array(6) }),
        type: "image/png",
        alt: "Frames by steering",
        caption: "Not chosen",
        labels: { rows: ["diffusion"], columns: ["left", "right"] },
      },
      film: {
        bytes: new TextEncoder().encode("GIF89a"),
        type: "image/gif",
        alt: "Frames moving",
        caption: "The same, moving",
      },
    },
    data: {
      windows: {
        bytes: new TextEncoder().encode("window\r\n"),
        type: "csv",
        caption: "every window",
      },
    },
    notes: ["Horizon is 8 steps."],
    warnings: ["2 of 600 images were left out."],
  };
}

function folder(): Disposable & { readonly path: string } {
  Deno.mkdirSync(".test", { recursive: true });
  const path = Deno.makeTempDirSync({ dir: ".test" });
  return {
    path,
    [Symbol.dispose]: () => Deno.removeSync(path, { recursive: true }),
  };
}

async function json(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await Deno.readTextFile(path));
}

Deno.test("writeFindings leaves findings, tables, figures, media and report", async () => {
  using run = folder();
  const content = await writeFindings(run.path, findings());
  const names = [...Deno.readDirSync(run.path)].map(({ name }) => name).sort();
  assertEquals(names, [
    "figure9.csv",
    "figure9.json",
    "figure9.png",
    "figure9.svg",
    "film.gif",
    "findings.json",
    "frames.png",
    "report.html",
    "windows.csv",
  ]);
  const { data } = content;
  assertEquals(data, {
    windows: { file: "windows.csv", caption: "every window" },
  });
  assertEquals(
    await Deno.readTextFile(join(run.path, "windows.csv")),
    "window\r\n",
  );
  assertStringIncludes(
    await reportOf(run.path),
    "windows.csv</a>: every window",
  );
  assertEquals(await readFindings(run.path), content);
  const { claims, tables, media, schema } = await json(
    join(run.path, "findings.json"),
  );
  assertEquals({ claims, tables, media, schema }, {
    schema: 1,
    claims: [
      {
        id: "steers",
        text: "The scene moves with the steering",
        verdict: "holds",
        crossesBound: false,
        measured: 0.62,
        low: 0.51,
        high: 0.71,
        n: 40,
        bound: { above: 0.25 },
        published: 0.81,
        where: "Section 5.5",
      },
      {
        id: "moves",
        text: "It moves at all",
        verdict: "holds",
        crossesBound: true,
        measured: 0.1,
        low: -1,
        high: 1,
        bound: { above: 0 },
      },
      {
        id: "far",
        text: "It moves far",
        verdict: "not tested",
        measured: null,
        bound: { above: 0 },
      },
    ],
    tables: { figure9: "figure9.json" },
    media: {
      frames: {
        file: "frames.png",
        alt: "Frames by steering",
        caption: "Not chosen",
        type: "image/png",
        labels: { rows: ["diffusion"], columns: ["left", "right"] },
      },
      film: {
        file: "film.gif",
        alt: "Frames moving",
        caption: "The same, moving",
        type: "image/gif",
      },
    },
  });
});

Deno.test("writeFindings writes equal bytes for equal findings", async () => {
  using first = folder();
  using second = folder();
  await writeFindings(first.path, findings());
  await writeFindings(second.path, findings());
  for (const { name } of Deno.readDirSync(first.path)) {
    assertEquals(
      await Deno.readFile(join(second.path, name)),
      await Deno.readFile(join(first.path, name)),
      name,
    );
  }
});

Deno.test("writeFindings writes every digit of a table, with null for NaN", async () => {
  using run = folder();
  await writeFindings(run.path, findings());
  const text = await Deno.readTextFile(join(run.path, "figure9.csv"));
  assertEquals(parse(text), [
    [
      "row",
      "rho",
      "rho_low",
      "rho_high",
      "rho_n",
      "rho_note",
      "rho_published",
      "shift",
      "remark",
    ],
    [
      "diffusion",
      "0.62",
      "0.51",
      "0.71",
      "40",
      "",
      "0.81",
      "3.25",
      'a "b", c\nd',
    ],
    ["direct", "", "", "1", "", "", "", "", ""],
    ["constructor", "", "", "", "", "diverged", "0.1", "", "true"],
    ["toString", "", "", "", "", "", "", "", ""],
  ]);
  assertStringIncludes(text, '"a ""b"", c\nd"');
  const { rows } = await json(join(run.path, "figure9.json"));
  assertEquals((rows as FindingTable["rows"])[1], {
    name: "direct",
    cells: { rho: { value: null, low: null, high: 1 } },
  });
});

Deno.test("reportOf builds the written report from the named files alone", async () => {
  using run = folder();
  using copy = folder();
  await writeFindings(run.path, findings());
  const named = ["findings.json", "figure9.json", "figure9.svg", "frames.png"];
  for (const name of [...named, "film.gif"]) {
    await Deno.copyFile(join(run.path, name), join(copy.path, name));
  }
  const report = await reportOf(copy.path);
  assertEquals(report, await Deno.readTextFile(join(run.path, "report.html")));
  const order = [
    "<h2>Claims",
    "0.62 [0.51, 0.71], n = 40",
    "above 0.25",
    "0.81 (Section 5.5)",
    "interval crosses the bound",
    "1 not tested; 1 in doubt",
    "<h2>Tables",
    "higher\u00a0is\u00a0better",
    "in px",
    "<h2>Figures",
    "<h2>Pictures",
    "<h2>Warnings",
    "2 of 600 images",
    "<h2>Notes",
    "model/1f3a",
  ];
  for (const part of order) assertStringIncludes(report, part);
  const headings = order.filter((part) => part.startsWith("<h2>"))
    .map((part) => report.indexOf(part));
  assertEquals(headings, headings.toSorted((a, b) => a - b));
});

Deno.test("reportOf escapes every text", async () => {
  using run = folder();
  const given = findings();
  /** Puts the text wherever a reader's text may stand. */
  const spoil = (value: unknown, key = ""): unknown => {
    if (value instanceof Uint8Array) return value;
    if (Array.isArray(value)) return value.map((each) => spoil(each, key));
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(
        Object.entries(value).map(([k, v]) => [k, spoil(v, k)]),
      );
    }
    const isFixed = ["svg", "type", "direction", "name"].includes(key);
    return typeof value === "string" && !isFixed ? value + EVIL : value;
  };
  const spoiled = spoil(given) as Findings;
  await writeFindings(run.path, {
    ...spoiled,
    dataset: { [EVIL]: [EVIL] },
    params: { [EVIL]: EVIL },
    claims: spoiled.claims.map((one) => ({
      ...one,
      unit: EVIL,
      of: EVIL,
      n: 1,
    })),
    tables: {
      figure9: {
        ...spoiled.tables!.figure9!,
        rows: [{ name: EVIL, cells: { rho: { value: 1, note: EVIL } } }],
      },
    },
  });
  const report = await reportOf(run.path);
  assertEquals(report.includes("<script"), false);
  assertEquals(report.includes(`"1"`), false);
  assert(report.split("&lt;script&gt;").length > 40);
});

Deno.test("reportOf says that numbers of smoke mean nothing", async () => {
  using run = folder();
  await writeFindings(run.path, {
    experiment: "controllability",
    source: "Section 5.5",
    title: "Title",
    preset: "smoke",
    isTested: false,
    command: "./run exp:controllability",
    seconds: 0,
    claims: findings().claims,
  });
  const report = await reportOf(run.path);
  assertStringIncludes(report, "0 of 3 hold, 0 do not hold, 3 not tested.");
  assertStringIncludes(report, "This is the smoke preset");
  assertStringIncludes(report, "no adapter");
});

Deno.test("writeFindings names every field at fault and writes nothing", async () => {
  using run = folder();
  const base = findings();
  const [first] = base.claims;
  const rows = table().rows;
  const withTable = (changed: Partial<FindingTable>): Findings => ({
    ...base,
    tables: { t: { ...table(), ...changed } },
  });
  const figure = {
    svg: "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
    caption: "c",
  };
  const [bytes, alt, caption] = [new Uint8Array(1), "a", "c"];
  const cases: [Findings, string][] = [
    [
      { ...base, seconds: NaN, command: "" },
      "Cannot write findings of controllability: command: ",
    ],
    [{ ...base, seconds: NaN, command: "" }, "; seconds: "],
    [
      { ...base, claims: [first!, first!] },
      "claims.steers: is there twice",
    ],
    [
      { ...base, claims: [{ ...first!, low: 2 }] },
      "claims.steers: has an interval from 2 to 0.71",
    ],
    [
      { ...base, claims: [claim("a", "b", { value: 1, n: 1.5 }, above(0))] },
      "claims.0.n: ",
    ],
    [
      { ...base, claims: [{ ...first!, published: NaN }] },
      "claims.0.published: ",
    ],
    [
      withTable({ rows: [...rows, rows[0]!] }),
      '"t": row "diffusion" is there twice',
    ],
    [
      withTable({ rows: [{ name: "a", cells: { speed: 1 } }] }),
      'row "a" has "speed", the columns are rho, shift, remark',
    ],
    [
      withTable({ columns: [{ name: "row", title: "Row" }], rows: [] }),
      'column "row" is there twice',
    ],
    [
      withTable({
        columns: [{ name: "a", title: "A" }, { name: "a_n", title: "B" }],
        rows: [{ name: "r", cells: { a: { value: 1, n: 2 } } }],
      }),
      'CSV column "a_n" is there twice',
    ],
    [
      withTable({
        columns: [{ name: "a", title: "A", published: { r: 1 } }],
        rows: [],
      }),
      "columns.0: needs both published and where, or neither",
    ],
    [{ ...base, tables: { "../up": table() } }, "needs a name of letters"],
    [
      { ...base, tables: { Findings: table() } },
      "two files would be Findings.json",
    ],
    [
      {
        ...base,
        figures: { A: figure },
        media: { a: { bytes, type: "image/png", alt, caption } },
      },
      "two files would be a.png",
    ],
  ];
  for (const [given, message] of cases) {
    await assertRejects(() => writeFindings(run.path, given), Error, message);
  }
  assertEquals([...Deno.readDirSync(run.path)], []);
});

Deno.test("readFindings refuses damaged files with one clear line", async () => {
  using run = folder();
  await assertRejects(
    () => readFindings(run.path),
    Error,
    "there is no such file, the run is not finished",
  );
  await writeFindings(run.path, findings());
  const path = join(run.path, "findings.json");
  const whole = await Deno.readTextFile(path);
  const cases: [string, string][] = [
    [whole.slice(0, 500), `Cannot read "${path}": it is damaged`],
    ["", "it is damaged"],
    ["null", "it has schema none, this version reads 1"],
    [whole.replace('"schema": 1', '"schema": 2'), "it has schema 2, this"],
    [
      whole.replace('"holds"', '"does not hold"'),
      `Cannot read "${path}": claims.steers: has a verdict that does not follow`,
    ],
    [
      whole.replace("0.62", "0.2"),
      "claims.steers: has a verdict that does not",
    ],
    [whole.replace("0.62", '"0.62"'), "claims.0.measured: "],
    [whole.replace('"above"', '"over"'), "claims.0.bound: needs above, below"],
    [
      whole.replace('"figure9.json"', '"../figure9.json"'),
      "tables.figure9: needs the name of a file in the same folder",
    ],
    [whole.replace('"title"', '"titel"'), "title: "],
  ];
  for (const [text, message] of cases) {
    await Deno.writeTextFile(path, text);
    const error = await assertRejects(
      () => readFindings(run.path),
      Error,
      message,
    );
    assertEquals(error.message.includes("\n"), false, error.message);
  }
  await Deno.writeTextFile(path, whole);
  await Deno.writeTextFile(join(run.path, "figure9.json"), "{}");
  await assertRejects(() => reportOf(run.path), Error, "figure9.json");
  await Deno.remove(join(run.path, "figure9.json"));
  await assertRejects(
    () => reportOf(run.path),
    Error,
    "no such file, which findings.json names; copy the whole folder, or run " +
      "again: ./run exp:controllability",
  );
});
