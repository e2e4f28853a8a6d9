import type { Finding, FindingTable } from "../experiment/findings.ts";
import { meanScore, type StepScore } from "../metrics/step_scores.ts";
import { barPlot } from "../report/plot.ts";
import type { EncoderRole } from "./encoder_entries.ts";
import type { Pooling } from "./pooling.ts";
import { MATRIX, MOVED, POOLINGS, type SpatialFound } from "./spatial_run.ts";

const KINDS = Object.keys(POOLINGS) as Pooling[];
const ROWS = [...Object.keys(MATRIX), "copy"];

function titleOf(name: string): string {
  return name === "copy" ? "Copy of the present" : MATRIX[name]!.title;
}

const cell = ({ value, low, high, n }: StepScore) => ({ value, low, high, n });

/**
 * The mean difference of two models, over windows, steps and seeds; mean over
 * the encoders, and so are the ends of its interval.
 *
 * @param found scores
 * @param pooling kind of latents
 * @param a model
 * @param b model that is subtracted
 */
export function gapOver(
  found: SpatialFound,
  pooling: Pooling,
  a: string,
  b: string,
): StepScore & { readonly of: string } {
  const all = found.encoders.map((encoder) =>
    meanScore(found.scores(encoder, pooling, a), {
      less: found.scores(encoder, pooling, b),
    })
  );
  const mean = (part: "value" | "low" | "high") =>
    all.reduce((sum, one) => sum + one[part] / all.length, 0);
  return {
    ...{ value: mean("value"), low: mean("low"), high: mean("high") },
    ...{ n: all[0]!.n, of: "scenes" },
  };
}

/** Gaps to the MLPs by encoder, as published. */
export type PublishedGaps = Readonly<
  Record<string, Readonly<Record<string, number>>>
>;

function matrixTable(found: SpatialFound, pooling: Pooling): FindingTable {
  return {
    title: `${POOLINGS[pooling]} latents, CosSim, mean over the steps`,
    head: "Model",
    note:
      "Copies of different latents differ: compare models within a table, or by their distance to the copy.",
    columns: found.encoders.flatMap((encoder) => [
      { name: encoder, title: found.titles[encoder]!, decimals: 4 },
      { name: `${encoder}-copy`, title: "Less the copy", decimals: 4 },
    ]),
    rows: ROWS.map((name) => ({
      name,
      title: titleOf(name),
      cells: Object.fromEntries(found.encoders.flatMap((encoder) => {
        const own = found.scores(encoder, pooling, name);
        const less = found.scores(encoder, pooling, "copy");
        return [
          [encoder, cell(meanScore(own))],
          [`${encoder}-copy`, cell(meanScore(own, { less }))],
        ];
      })),
    })),
  };
}

function gapTable(found: SpatialFound, published: PublishedGaps): FindingTable {
  const cases = Object.keys(MATRIX).filter((name) => !name.startsWith("mlp"))
    .flatMap((name) =>
      (["mlp", "mlpMatched"] as const).map((mlp) => ({
        ...{ name, mlp, row: `${name}-${mlp}` },
      }))
    );
  return {
    title: "DiT less MLP on spatial tokens, CosSim, mean over the steps",
    head: "Models",
    note:
      "The paper's +0.020 and +0.023 are against the MLP of 1.3 M; the row of equal parameters is the fair one.",
    columns: found.encoders.map((encoder) => ({
      name: encoder,
      title: found.titles[encoder]!,
      decimals: 4,
      ...(published[encoder]
        ? { published: published[encoder], where: "published data" }
        : {}),
    })),
    rows: cases.map(({ name, mlp, row }) => ({
      name: row,
      title: `${titleOf(name)} less ${titleOf(mlp)}`,
      cells: Object.fromEntries(found.encoders.map((encoder) => [
        encoder,
        cell(meanScore(found.scores(encoder, "grid", name), {
          less: found.scores(encoder, "grid", mlp),
        })),
      ])),
    })),
  };
}

function actionTable(found: SpatialFound): FindingTable {
  const changes = {
    turned: "steering + 0.3",
    shuffled: "actions of other frames",
  } as const;
  const kinds = Object.keys(changes) as (keyof typeof changes)[];
  return {
    title: "How far predictions move when actions change, at the last step",
    head: "Model",
    note: "1 less the cosine of the two predictions, mean over the tokens.",
    columns: found.encoders.flatMap((encoder) =>
      kinds.map((kind) => ({
        name: `${encoder}-${kind}`,
        title: `${found.titles[encoder]!}, ${changes[kind]}`,
        decimals: 4,
      }))
    ),
    rows: MOVED.map((name) => ({
      name,
      title: titleOf(name),
      cells: Object.fromEntries(
        found.encoders.flatMap((encoder) =>
          kinds.map((kind) => {
            const scores = found.moved(encoder, name, kind);
            const steps = [scores[0]!.sums.length - 1];
            return [`${encoder}-${kind}`, cell(meanScore(scores, { steps }))];
          })
        ),
      ),
    })),
  };
}

function sizeTable(found: SpatialFound): FindingTable {
  const [encoder] = found.encoders as [EncoderRole];
  return {
    title: "Trained values",
    head: "Model",
    columns: KINDS.map((name) => ({
      name,
      title: POOLINGS[name],
      decimals: 0,
    })),
    rows: Object.keys(MATRIX).map((name) => ({
      name,
      title: titleOf(name),
      cells: Object.fromEntries(
        KINDS.map((kind) => [kind, found.parameters(encoder, kind, name)]),
      ),
    })),
  };
}

/**
 * Lays out all that was found, but for the claims.
 *
 * @param found scores
 * @param published the paper's gaps
 */
export function layOut(
  found: SpatialFound,
  published: PublishedGaps,
): Omit<Finding, "claims"> {
  return {
    tables: {
      gaps: gapTable(found, published),
      spatial: matrixTable(found, "grid"),
      pooled: matrixTable(found, "pooled"),
      actions: actionTable(found),
      sizes: sizeTable(found),
    },
    figures: {
      matrix: {
        svg: barPlot(
          found.encoders.flatMap((encoder) =>
            KINDS.flatMap((kind) =>
              Object.keys(MATRIX).map((name) => {
                const { value, low, high } = meanScore(
                  found.scores(encoder, kind, name),
                  { less: found.scores(encoder, kind, "copy") },
                );
                return {
                  ...{ value, low, high, label: titleOf(name) },
                  group: found.encoders.length === 1
                    ? POOLINGS[kind]
                    : `${POOLINGS[kind]}, ${found.titles[encoder]!}`,
                };
              })
            )
          ),
          {
            label: "CosSim less that of a copy, mean over the steps",
            title: "Latents, objectives and anchors",
          },
        ),
        caption:
          "CosSim of each model less that of a copy of the present, with intervals over scenes.",
      },
    },
    notes: [...found.notes],
  };
}
