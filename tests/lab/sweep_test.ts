import {
  assert,
  assertEquals,
  assertNotEquals,
  assertThrows,
} from "@std/assert";
import {
  firstWindows,
  recordedActions,
  shuffled,
  steered,
  steeringNote,
  sweepKinds,
} from "../../core/lab/sweep.ts";
import {
  actionUseTable,
  pairedGap,
  sweepFigure,
  sweepFile,
  sweepModels,
  sweepScore,
  sweepScores,
  sweepTable,
} from "../../core/lab/sweep_results.ts";
import { sweepParams } from "../../core/lab/sweep_run.ts";
import { labPresets } from "../../core/lab/params.ts";

const VALUES = [-0.2, -0.1, 0, 0.1, 0.2];
const SCENES = ["a", "b", "c"];

/** Responses of three scenes: with the steering, against it, none. */
const RESPONSES = [[-2, -1, 0, 1, 2], [3, 0, 0, 0, -3], [0, 0, 0, 0, 0]];

function swept(scale: number) {
  const scaled = RESPONSES.map((list) => list.map((x) => scale * x));
  return {
    scenes: SCENES,
    shift: RESPONSES,
    subpixel: scaled,
    probe: RESPONSES.map(() => VALUES.map((x) => 0.5 * x)),
  };
}

Deno.test("firstWindows takes the first window of each scene", () => {
  const window = (scene: string, start: number) => ({
    id: `${scene}:${start}`,
    scene,
    start,
    row: start,
  });
  const all = [window("a", 3), window("a", 4), window("b", 0), window("c", 9)];
  assertEquals(firstWindows(all, 2).map(({ id }) => id), ["a:3", "b:0"]);
  assertEquals(firstWindows(all, 9).length, 3);
});

Deno.test("steered changes the steering only, within [-1, 1]; recordedActions heeds the offset", () => {
  const actions = Float32Array.of(0, 1, 0.5, 2, -0.75, 3, 0.875, 4);
  const params = { horizon: 2, actionOffset: 1 };
  const own = recordedActions({ actions }, { row: 1 }, params);
  assertEquals([...own], [-0.75, 3, 0.875, 4]);
  assertEquals([...steered(own, (x) => x + 0.25)], [-0.5, 3, 1, 4]);
  assertEquals([...steered(own, () => -2)], [-1, 3, -1, 4]);
  assertEquals([...actions.slice(4)], [...own]);
});

Deno.test("shuffled keeps the pairs, and the order of a stream", () => {
  const actions = Float32Array.from({ length: 32 }, (_, i) => i);
  const one = shuffled(actions, "order", 0, "a", 1);
  assertEquals(one, shuffled(actions, "order", 0, "a", 1));
  assertNotEquals(one, shuffled(actions, "order", 0, "b", 1));
  assertNotEquals(one, actions);
  assertEquals([...one].sort((a, b) => a - b), [...actions]);
  for (let i = 0; i < 32; i += 2) assertEquals(one[i]! + 1, one[i + 1]);
});

Deno.test("sweepScore averages valid sweeps, and all with the others as 0", () => {
  const score = sweepScore(VALUES, RESPONSES, SCENES, 0);
  // scipy.stats.spearmanr: 1, -0.894427191, nan.
  const rhos = [1, -0.894427191, 0];
  score.perSweep.forEach((rho, i) => assert(Math.abs(rho - rhos[i]!) < 1e-9));
  assertEquals(score.valid, 2);
  assert(Math.abs(score.rho.value! - 0.1055728 / 2) < 1e-7);
  assert(Math.abs(score.all.value! - 0.1055728 / 3) < 1e-7);
  assertEquals([score.rho.n, score.all.n, score.all.of], [2, 3, "scenes"]);
  assertEquals(score.positive.value, 0.5);
  // By hand: sum of x y / sum of x x = 1 / 0.1, -1.2 / 0.1, 0.
  const slopes = [10, -12, 0];
  score.slopes.forEach((x, i) => assert(Math.abs(x - slopes[i]!) < 1e-9));
  assert(score.all.low! < score.all.value! && score.all.high! > 0);
});

Deno.test("sweepScore has no rank correlation of nothing, and refuses what does not fit", () => {
  const flat = sweepScore(VALUES, [[1, 1, 1, 1, 1]], ["a"], 0);
  assertEquals([flat.rho.value, flat.positive.value], [null, null]);
  assertEquals([flat.valid, flat.all.value, flat.slope.value], [0, 0, 0]);
  const tiny = [[-2e-9, -1e-9, 0, 1e-9, 2e-9]];
  assertEquals(sweepScore(VALUES, tiny, ["a"], 0).valid, 1);
  assertEquals(sweepScore(VALUES, tiny, ["a"], 0, 1e-3).all.value, 0);
  assertThrows(
    () => sweepScore(VALUES, RESPONSES, ["a"], 0),
    RangeError,
    "Cannot score 3 sweeps: scenes are given for 1",
  );
  assertThrows(() => sweepScore(VALUES, [], [], 0), RangeError, "0 scenes");
  assertThrows(() => pairedGap([1, 2], [1], ["a"], 0), RangeError, "2 with 1");
});

Deno.test("sweepScores puts seeds side by side, and counts sizes below the resolution as none", () => {
  const two = sweepScores(VALUES, [swept(1), swept(1e-3)], 0);
  assertEquals([two.shift.valid, two.subpixel.valid], [4, 2]);
  assertEquals([two.shift.all.n, two.shift.all.of], [6, "sweeps"]);
  assertEquals(two.probe.all.value, 1);
  assert(Math.abs(two.probe.slope.value! - 0.5) < 1e-12);
});

Deno.test("pairedGap has the interval of the differences", () => {
  const gap = pairedGap([2, 4, 9], [1, 3, 8], SCENES, 0);
  assertEquals([gap.value, gap.low, gap.high], [1, 1, 1]);
});

Deno.test("tables, figure and file of sweeps are made of plain numbers", () => {
  const pairs = [{ recipe: "visible", seed: 0 }, { recipe: "visible", seed: 1 }]
    .map((pair) => ({ ...pair, recipe: "visible" as const }));
  const kinds = sweepKinds(pairs, [1, 2]);
  const models = sweepModels(kinds, kinds.map(() => swept(1)), "visible");
  assertEquals(models.map(({ name, seeds }) => [name, seeds.length]), [
    ["direct", 2],
    ["diffusion-1", 2],
    ["diffusion-2", 2],
    ["direct-raw", 2],
    ["diffusion-1-raw", 2],
  ]);
  assertEquals(sweepModels(kinds, kinds, "paper"), []);
  const rows = models.map(({ seeds, ...row }) => ({
    ...row,
    scores: sweepScores(VALUES, seeds, 0),
  }));
  const published = {
    rho: { published: { direct: -0.5 }, where: "Figure 9" },
  };
  const { columns, rows: lines } = sweepTable(rows, published, 4);
  assertEquals(columns[0]!.published, { direct: -0.5 });
  assertEquals(lines[0]!.cells.valid, { value: 4, n: 6 });
  for (const { cells } of lines) {
    assertEquals(Object.keys(cells), columns.map(({ name }) => name));
  }
  const { svg } = sweepFigure(rows, published);
  assert(svg.includes("sub-pixel") && svg.includes("Diffusion, w 2"));
  const csv = new TextDecoder().decode(sweepFile(VALUES, models).bytes);
  assertEquals(csv.trim().split(/\r?\n/).length, 1 + 5 * 2 * 3 * 5);
  const use = {
    scenes: ["a", "b"],
    perturbed: { 0: [0.1, 0.3], 3: [0, 0] },
    shuffled: { 0: [1, 1], 3: [0.5, 0] },
  };
  const used = { ...models[0]!, seeds: [use] };
  const table = actionUseTable([used], {}, 0, 0.3);
  assertEquals(
    table.columns.map(({ name }) => name),
    ["perturbed-1", "perturbed-4", "shuffled-1", "shuffled-4"],
  );
  const cell = table.rows[0]!.cells["shuffled-4"] as { value: number };
  assertEquals(cell.value, 0.25);
});

Deno.test("steeringNote compares the sweep with recorded steering", () => {
  const actions = Float32Array.from({ length: 202 }, (_, i) => (i >> 1) / 100);
  const note = steeringNote({ actions }, [-0.5, 0, 0.25]);
  // numpy.percentile of 0, 0.01, ..., 1.
  assert(note.includes("from -0.5 to 0.25"), note);
  assert(note.includes("p5 is 0.050 and p95 0.950"), note);
});

Deno.test("sweepParams refuses values that do not rise, guidances without 1 or twice, and odd steps", () => {
  const good = {
    ...labPresets.smoke,
    values: [-0.1, 0, 0.1],
    guidances: [1, 2],
    sweeps: 1,
    sweepSteps: 5,
    actionScenes: 1,
    steerChange: 0.3,
    probeSteps: 1,
  };
  assert(sweepParams.safeParse(good).success);
  const bad = [
    { values: [0, 0, 0.1] },
    { values: [-0.1, 0.1] },
    { values: [-2, 0, 1] },
    { guidances: [1] },
    { guidances: [2, 1] },
    { guidances: [1, 2, 2] },
    { guidances: [1, 1] },
    { sweepSteps: 7 },
    { sweeps: 0 },
    { steerChange: 0 },
    { patch: 3 },
  ];
  for (const change of bad) {
    const { success } = sweepParams.safeParse({ ...good, ...change });
    assertEquals(success, false, JSON.stringify(change));
  }
});
