import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { parse } from "@std/csv";
import { type Draw, futures, windowNoise } from "../../core/lab/futures.ts";
import type { Lab } from "../../core/lab/lab.ts";
import {
  type ModelSpec,
  trainedModel,
  training,
} from "../../core/lab/models.ts";
import { columns, scoresOf } from "../../core/lab/columns.ts";
import { WINDOW_METRICS } from "../../core/lab/metrics.ts";
import { tinyLab, writeTinyData } from "../support/lab.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

const diffusion: ModelSpec = { mode: "diffusion", recipe: "visible", seed: 0 };
const direct: ModelSpec = { ...diffusion, mode: "direct" };

/** Draws of some test windows with noise of their own. */
async function noisyDraws(lab: Lab, ...which: number[]): Promise<Draw[]> {
  const { windows } = await lab.part("test");
  return which.map((i) => ({
    window: windows[i]!,
    noise: windowNoise("test", 0, windows[i]!),
  }));
}

Deno.test("a lab makes latents, models and futures once, whoever asks", async () => {
  using folder = tinyFolder();
  await writeTinyData(folder.path);
  const work = async () => {
    using opened = await tinyLab(folder.path);
    const { lab, begun } = opened;
    const draws = await noisyDraws(lab, 0, 1, 2);
    using made = await futures(lab, { model: diffusion, part: "test", draws });
    return { begun, values: made.at([0, 1, 2], 3), digest: made.digest };
  };
  const first = await work();
  assertEquals(first.begun, ["encode", "encode", "train diffusion", "sample"]);
  const second = await work();
  assertEquals(second.begun, []);
  assertEquals(second.values, first.values);

  // The weights do not depend on how they are sampled or scored.
  using other = await tinyLab(folder.path, {
    testWindows: 6,
    ddimSteps: 10,
    guidance: 3,
    kidSubsets: 3,
  });
  await training(other.lab, diffusion);
  assertEquals(other.begun, []);
  const changed = { ...diffusion, changes: { dim: 16, heads: 2 } };
  const { facts } = await training(other.lab, changed);
  assertEquals(other.begun, ["train diffusion"]);
  assert(
    facts.parameters < (await training(other.lab, diffusion)).facts.parameters,
  );
});

Deno.test("trainedModel gives averaged and last weights, and goes on from another model", async () => {
  using folder = tinyFolder();
  await writeTinyData(folder.path);
  using opened = await tinyLab(folder.path);
  const { lab, begun } = opened;
  using average = await trainedModel(lab, direct);
  using last = await trainedModel(lab, direct, "last");
  assertEquals(begun.filter((label) => label.startsWith("train")).length, 1);
  const valuesOf = async ({ model }: typeof last) =>
    Object.values(await model.stateDict())[0]!.data;
  assertNotEquals(await valuesOf(average), await valuesOf(last));

  // No step at all: the weights are those it began with, the averages.
  const changes = { samples: 1, batch: 8 };
  using same = await trainedModel(lab, { ...direct, from: direct, changes });
  assertEquals(await valuesOf(same), await valuesOf(average));
  assertNotEquals(same.digest, average.digest);
});

Deno.test("futures of a draw do not depend on other draws, and follow actions and presents from outside", async () => {
  using folder = tinyFolder();
  await writeTinyData(folder.path);
  using opened = await tinyLab(folder.path);
  const { lab } = opened;
  const { params: { horizon } } = lab;
  const at = async (draws: readonly Draw[], guidance = 1) => {
    using made = await futures(lab, {
      model: diffusion,
      part: "test",
      draws,
      guidance,
    });
    return made.whole(draws.length - 1);
  };
  const [draw] = await noisyDraws(lab, 2) as [Draw];
  const alone = await at([draw]);
  const beside = await at(await noisyDraws(lab, 0, 3, 2));
  for (const [i, value] of alone.entries()) {
    assertAlmostEquals(beside[i]!, value, 1e-4);
  }
  const { actions, latents } = await lab.part("test");
  const { row } = draw.window;
  const recorded = actions.slice(2 * row, 2 * (row + horizon));
  const present = latents.read(row, row + 1);
  assertEquals(await at([{ ...draw, actions: recorded, present }]), alone);
  const steered = recorded.map((x, i) => i % 2 === 0 ? x + 0.5 : x);
  const guided = await at([{ ...draw, actions: steered }], 3);
  assertNotEquals(guided, await at([draw], 3));
  const far = present.map((x) => x + 1);
  assertNotEquals(await at([{ ...draw, present: far }]), alone);
  await assertRejects(
    () => at([{ window: draw.window }]),
    TypeError,
    `Cannot sample a future of window ${draw.window.id}: it needs noise`,
  );
});

Deno.test("columns hold every metric of every window, measured once", async () => {
  using folder = tinyFolder();
  await writeTinyData(folder.path);
  using opened = await tinyLab(folder.path);
  const { lab, begun } = opened;
  const { windows } = await lab.part("test");
  const draws = windows.map((window) => ({ window }));
  using made = await futures(lab, { model: direct, part: "test", draws });
  const measure = () =>
    columns(lab, {
      step: 1,
      points: { direct: { latents: (list) => made.at(list, 1) } },
      from: [made.digest],
    });
  const measured = await measure();
  assertEquals(await measure(), measured);
  assertEquals(begun.filter((label) => label === "decode and score").length, 1);
  const [head = [], ...lines] = parse(await Deno.readTextFile(measured.csv));
  const rows = lines.map((line): Record<string, string> =>
    Object.fromEntries(line.map((cell, i) => [head[i]!, cell]))
  );
  assertEquals(rows.map(({ window }) => window), windows.map(({ id }) => id));
  const { points: { direct: scores } } = await scoresOf(lab, measured, 0);
  const { metrics } = measured;
  // LPIPS needs a file.
  assertEquals(metrics, WINDOW_METRICS.filter(({ name }) => name !== "lpips"));
  for (const { name, isRelative } of metrics) {
    const values = rows.map((row) => Number(row[name]));
    assertEquals(values, Array.from(measured.measured.direct!.numbers[name]!));
    if (isRelative) continue;
    const mean = values.reduce((a, b) => a + b) / values.length;
    assertAlmostEquals(scores![name]!.value, mean, 1e-12);
  }
  assertEquals(scores!.kid!.n, windows.length);
});
