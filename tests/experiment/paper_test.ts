import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { above, claim } from "../../core/experiment/claims.ts";
import { costLine, readCost } from "../../core/experiment/cost.ts";
import type { FindingTable } from "../../core/experiment/findings.ts";
import {
  readFindings,
  readFindingTable,
  writeFindings,
} from "../../core/experiment/findings_report.ts";
import type {
  PaperClaim,
  PaperRow,
} from "../../core/experiment/paper/catalogue.ts";
import { judgePaper, type Left } from "../../core/experiment/paper/judging.ts";
import {
  flagsOf,
  reportedRun,
  TimeLeft,
} from "../../core/experiment/paper/children.ts";
import { compareRows } from "../../core/experiment/paper/compare.ts";
import { rowEvidence, tallyOf } from "../../core/experiment/paper/words.ts";
import { readExperiments, wordsOfTask } from "../../core/experiment/tasks.ts";

const TABLE: FindingTable = {
  title: "Scores",
  head: "Model",
  columns: [{ name: "kid", title: "KID" }],
  rows: [
    {
      name: "direct",
      title: "Direct",
      cells: { kid: { value: 0.3, low: 0.25, high: 0.35, n: 9 } },
    },
    { name: "copy", cells: { kid: 0.31 } },
  ],
};

/** What an experiment with two recipes left. */
async function leftOf(isTested: boolean): Promise<Left> {
  const folder = `.test/paper-findings-${isTested}`;
  await Deno.mkdir(folder, { recursive: true });
  await writeFindings(folder, {
    experiment: "frontier",
    source: "Section 5.3",
    title: "Frontier",
    preset: "demo",
    isTested,
    seeds: [0, 1],
    command: "./run exp:frontier",
    seconds: 1,
    claims: [
      claim(
        "kid-paper",
        "The ratio",
        { value: 2, low: 0.9, high: 3, n: 9, of: "scenes" },
        above(1),
      ),
      claim("kid-visible", "The ratio", { value: 0.5 }, above(1)),
    ],
    tables: { "scores-paper": TABLE },
  });
  const found = await readFindings(folder);
  const tables = {
    "scores-paper": await readFindingTable(folder, found, "scores-paper"),
  };
  const outcome = {
    name: "frontier",
    state: "finished" as const,
    seconds: 1,
    folder: "../../frontier/demo-1",
  };
  return { outcome, found, tables };
}

const cell = (row: string | string[]) => ({
  table: "scores",
  row,
  column: "kid",
});
const CLAIMS: readonly PaperClaim[] = [
  {
    id: "a-claim",
    text: "By a claim",
    place: "Abstract",
    paper: 4.8,
    judge: { experiment: "frontier", claim: "kid" },
  },
  {
    id: "a-cell",
    text: "By a cell",
    place: "Table 2",
    judge: {
      experiment: "frontier",
      cell: cell(["elsewhere", "direct"]),
      needs: { above: 0.3 },
    },
  },
  {
    id: "two-cells",
    text: "By two cells",
    place: "Table 2",
    judge: {
      experiment: "frontier",
      cell: cell("direct"),
      needs: { below: cell("copy") },
    },
  },
  {
    id: "no-cell",
    text: "By a cell that is not there",
    place: "Table 2",
    judge: {
      experiment: "frontier",
      cell: cell("mlp"),
      needs: { below: cell("copy") },
    },
  },
  {
    id: "no-run",
    text: "By what did not run",
    place: "Section 5.4",
    judge: { experiment: "jump", claim: "motion" },
  },
  {
    id: "no-test",
    text: "By nothing",
    place: "Section 5.2",
    code: "none",
    judge: { untestable: "nothing here can" },
  },
];

const rowsOf = (left: Record<string, Left>) =>
  judgePaper([{ title: "All", claims: CLAIMS }], left);

Deno.test("judgePaper takes claims and cells of the paper's recipe, and says why others are not tested", async () => {
  const rows = rowsOf({ frontier: await leftOf(true) });
  assertEquals(rows.map(({ id, verdict }) => [id, verdict]), [
    ["a-claim", "holds"],
    ["a-cell", "does not hold"],
    ["two-cells", "holds"],
    ["no-cell", "not tested"],
    ["no-run", "not tested"],
    ["no-test", "not testable here"],
  ]);
  const [first, , two, none, jump] = rows as [
    PaperRow,
    PaperRow,
    PaperRow,
    PaperRow,
    PaperRow,
  ];
  assertEquals(first.measured, 2);
  assertEquals(first.crossesBound, true);
  assertEquals(first.seeds, [0, 1]);
  assertEquals(
    first.report,
    "../../frontier/demo-1/report.html#claim-kid-paper",
  );
  assertEquals(rowEvidence(first), {
    Paper: "4.8",
    Here: "2.0 [0.9, 3.0], n = 9 scenes",
    Needed: "above 1",
    Seeds: "0, 1",
  });
  assertMatch(rowEvidence(two).Needed ?? "", /below 0\.31.* \(copy\)/);
  assertMatch(none.note ?? "", /did not measure scores\/mlp\/kid/);
  assertMatch(jump.note ?? "", /exp:jump did not run/);
  assertEquals(tallyOf(rows), {
    "holds": 2,
    "does not hold": 1,
    "not tested": 2,
    "not testable here": 1,
  });
});

Deno.test("judgePaper tests nothing where numbers mean nothing, and names what failed", async () => {
  const rows = rowsOf({
    frontier: await leftOf(false),
    jump: {
      outcome: {
        name: "jump",
        state: "failed",
        seconds: 1,
        message: "no space",
      },
      tables: {},
    },
  });
  assertEquals(tallyOf(rows)["not tested"], 5);
  assertMatch(rows[4]!.note ?? "", /exp:jump failed: no space/);
});

Deno.test("compareRows says what changed beyond its interval", async () => {
  const [row] = rowsOf({ frontier: await leftOf(true) });
  const of = (value: number, low?: number, high?: number): PaperRow => {
    const { low: _, high: __, ...rest } = row!;
    return {
      ...rest,
      measured: value,
      ...(low === undefined ? {} : { low }),
      ...(high === undefined ? {} : { high }),
    };
  };
  const beyond = (a: PaperRow, b: PaperRow) =>
    compareRows([a], [b])[0]?.isBeyond;
  assertEquals(beyond(of(1, 0, 2), of(3, 2.5, 4)), true);
  assertEquals(beyond(of(1, 0, 2), of(3, 1.5, 4)), false);
  assertEquals(beyond(of(1, 0, 2), of(3)), true);
  assertEquals(beyond(of(1), of(3)), undefined);
  const other = { ...of(3), id: "other", verdict: "not tested" as const };
  const both = compareRows([of(1)], [other]);
  assertEquals(both.map(({ id, isTurned }) => [id, isTurned]), [
    ["a-claim", true],
    ["other", true],
  ]);
});

Deno.test("TimeLeft goes by planned times, then by how long they took", () => {
  const names = ["a", "b", "c"];
  assertEquals(new TimeLeft({}, names).left("a", 1), undefined);
  const time = new TimeLeft({ a: 10, b: 30 }, names);
  // Without a plan, c is the mean of the others.
  assertEquals(time.left("a", 4), 6 + 30 + 20);
  time.end("a", 20);
  assertEquals(time.left("b", 10), 50 + 40);
  time.end("b", undefined);
  assertEquals(time.left("c", 100), 0);
});

Deno.test("readCost reads what costLine writes", () => {
  const cost = { seconds: 1234, memoryBytes: 5 * 2 ** 20, diskBytes: 2 ** 31 };
  assertEquals(readCost(`Plan\n${costLine(cost)}\n`), cost);
  assertEquals(readCost("Plan\n  memory    20 MiB"), undefined);
});

Deno.test("wordsOfTask fills in variables and refuses what is no single command", () => {
  const text = JSON.stringify({
    tasks: {
      test: "deno test",
      "exp:a": { command: 'deno run "--allow-read=.$READ" a.ts' },
    },
  });
  const experiments = readExperiments(text);
  assertEquals([...experiments.keys()], ["a"]);
  assertEquals(wordsOfTask(experiments.get("a")!, { READ: ",/a b" }), [
    "run",
    "--allow-read=.,/a b",
    "a.ts",
  ]);
  assertThrows(() => wordsOfTask("deno fmt && deno lint", {}), Error, "one");
});

Deno.test("flagsOf and reportedRun read what experiments print", () => {
  assertEquals(flagsOf("title\n\n  --data      folder\n  --seeds  x (0)"), [
    "data",
    "seeds",
  ]);
  assertEquals(reportedRun("The report is runs/a/report.html\n"), {
    report: "runs/a/report.html",
    wasThere: false,
  });
  assert(reportedRun("Finished before; the report is x\n")?.wasThere);
  assertEquals(reportedRun(""), undefined);
});
