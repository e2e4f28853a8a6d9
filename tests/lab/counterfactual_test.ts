import { assert, assertEquals } from "@std/assert";
import { changed, variantsOf } from "../../core/lab/counterfactual.ts";
import { strongestWindow } from "../../core/lab/counterfactual_pictures.ts";
import {
  asRead,
  counterfactualGaps,
  type CounterfactualRow,
  counterfactualScores,
} from "../../core/lab/counterfactual_results.ts";
import {
  counterfactualParams,
  counterfactualPresets,
  sourceKinds,
} from "../../core/lab/counterfactual_run.ts";
import {
  counterfactualTable,
  gapTable,
  readingsFile,
} from "../../core/lab/counterfactual_tables.ts";
import { labPresets } from "../../core/lab/params.ts";

const FACTORS = { steerFactors: [-1, 0, 1], accelFactors: [1, 0.5] };
const VARIANTS = variantsOf(FACTORS);

/** Four windows of two steps. */
const RECORDED = [
  [0.1, 0.2, -0.05, 0.1],
  [0.3, -0.1, 0.2, -0.2],
  [-0.2, 0, -0.3, 0.05],
  [0.02, 0.3, 0.01, 0.25],
];
const COMMANDS = {
  scenes: ["a", "b", "c", "d"],
  speeds: [8, 10, 6, 4],
  actions: RECORDED.map((actions) =>
    VARIANTS.map((variant) => [...changed(Float32Array.from(actions), variant)])
  ),
  gain: { curvaturePerRad: 0.023, correlation: 1, n: 100 },
};

/** A source that follows a part of what is commanded, from the recorded on. */
const following = (part: number) => ({
  read: COMMANDS.actions.map((own) =>
    own.map((actions) =>
      actions.map((value, k) => own[0]![k]! + part * (value - own[0]![k]!))
    )
  ),
});

const row = (name: string, part: number): CounterfactualRow => ({
  name,
  title: name,
  scores: counterfactualScores(COMMANDS, VARIANTS, [following(part)], 0),
});

Deno.test("variantsOf has the recorded actions first; changed scales one part and clips", () => {
  assertEquals(VARIANTS, [
    { steer: 1, accel: 1 },
    { steer: -1, accel: 1 },
    { steer: 0, accel: 1 },
    { steer: 1, accel: 0.5 },
  ]);
  const actions = Float32Array.of(0.5, -0.25, -0.75, 0.5);
  assertEquals([...changed(actions, { steer: -2, accel: 1 })], [
    -1,
    -0.25,
    1,
    0.5,
  ]);
  assertEquals(
    [...changed(actions, { steer: 1, accel: 0 })].map((x) => x + 0),
    [
      0.5,
      0,
      -0.75,
      0,
    ],
  );
});

Deno.test("counterfactualScores: a source that follows has slope 1 and no drift, one that does not has slope 0", () => {
  const { response, drift, logged, loggedDrift } = row("all", 1).scores;
  for (const part of ["steer", "accel"] as const) {
    assert(Math.abs(response![part].slope.value! - 1) < 1e-6);
    assert(Math.abs(response![part].correlation.value! - 1) < 1e-6);
    assert(Math.abs(drift![part].value!) < 1e-6);
  }
  assert(logged.steer.rmse.value! < 1e-9 && loggedDrift.steer.value! < 1e-9);
  assertEquals(logged.steer.slope.n, 4);

  const deaf = row("none", 0).scores;
  // Another trajectory, the same video: perfect as recorded, and no control.
  assert(Math.abs(deaf.logged.steer.correlation.value! - 1) < 1e-9);
  assert(Math.abs(deaf.response!.steer.slope.value!) < 1e-9);
  assertEquals(deaf.response!.steer.correlation.value, 0);
  assert(deaf.drift!.steer.value! > 0.1);
  const half = row("half", 0.5).scores;
  assert(Math.abs(half.response!.steer.slope.value! - 0.5) < 1e-6);
  assert(half.drift!.steer.value! < deaf.drift!.steer.value!);
});

Deno.test("counterfactualScores has no response of what was recorded only", () => {
  const recorded = { read: COMMANDS.actions.map((own) => [own[0]!]) };
  const scores = counterfactualScores(COMMANDS, VARIANTS, [recorded], 0);
  assertEquals([scores.response, scores.drift], [undefined, undefined]);
});

Deno.test("counterfactualGaps compares window by window, at a level for all; tables name every row", () => {
  const two = {
    ...row("half", 0.5),
    scores: counterfactualScores(
      COMMANDS,
      VARIANTS,
      [following(0.5), following(0.5)],
      0,
    ),
  };
  const rows = [two, row("none", 0)];
  const [gap] = counterfactualGaps(rows, [["half", "none"]], 0);
  assert(gap!.drift.high! < 0 && gap!.drift.value! < 0);
  assert(Math.abs(gap!.slope.value! - 0.5) < 1e-6);
  assert(gap!.slope.low! > 0.49 && gap!.slope.high! < 0.51);
  assertEquals(gap!.drift.n, 8);
  const table = counterfactualTable(rows, "steer", [-1, 0, 1], 2);
  assertEquals(table.rows.map(({ name }) => name), ["half", "none"]);
  assertEquals(Object.keys(table.rows[0]!.cells).length, table.columns.length);
  assertEquals(gapTable([gap!], rows).rows[0]!.name, "half-minus-none");
  const file = readingsFile(COMMANDS, VARIANTS, [
    { name: "half", seeds: [following(0.5)] },
  ]);
  const lines = new TextDecoder().decode(file.bytes).trim().split(/\r?\n/);
  assertEquals(lines.length, 1 + 4 * VARIANTS.length * 2);
});

Deno.test("strongestWindow is the one that steers most; the world is driven anew only where it is embedded", () => {
  assertEquals(strongestWindow(COMMANDS), 1);
  const pairs = [{ recipe: "visible", seed: 0 }] as const;
  const names = (isEmbedded: boolean) =>
    sourceKinds(pairs, 2, isEmbedded).map(({ name }) => name);
  assertEquals(names(true), [
    "recorded",
    "driven",
    "direct",
    "raw",
    "guided",
    "mlp",
    "copy",
  ]);
  assertEquals(names(false).includes("driven"), false);
});

Deno.test("counterfactualParams wants 1 among the factors", () => {
  const smoke = { ...labPresets.smoke, ...counterfactualPresets.smoke };
  counterfactualParams.parse(smoke);
  const { error } = counterfactualParams.safeParse({
    ...smoke,
    steerFactors: [0, 2],
  });
  assertEquals(
    error!.issues[0]!.message,
    "it needs 1, for what was recorded, and other factors, each once",
  );
});

Deno.test("asRead takes one part, or both, of what was read", () => {
  const [given, own] = [[1, 2, 3, 4], [5, 6, 7, 8]];
  assertEquals(asRead(given, own, "steer"), [5, 2, 7, 4]);
  assertEquals(asRead(given, own, "accel"), [1, 6, 3, 8]);
  assertEquals(asRead(given, own), own);
});
