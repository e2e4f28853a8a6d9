import type { Finding, FindingTable } from "../experiment/findings.ts";
import type { StepScore } from "../metrics/step_scores.ts";
import {
  diagnosisFigures,
  type PublishedChain,
  titleOf,
} from "./diagnosis_figures.ts";
import type { Asked, Diagnosis } from "./diagnosis_run.ts";
import type { EncoderRole } from "./encoder_entries.ts";
import {
  CHAIN,
  CONTROLS_OF_CHAIN,
  LONG,
  type VariantName,
  VARIANTS,
} from "./latent_variants.ts";

type Row = Asked["variant"];

const cell = ({ value, low, high, n }: StepScore) => ({ value, low, high, n });

/** A column for each encoder. */
function columns(
  found: Diagnosis,
  published?: (encoder: EncoderRole) => Record<string, number>,
): FindingTable["columns"] {
  return found.params.encoders.map((encoder) => ({
    name: encoder,
    title: found.titles[encoder]!,
    decimals: 4,
    ...(published
      ? { published: published(encoder), where: "published data" }
      : {}),
  }));
}

function table(
  found: Diagnosis,
  title: string,
  rows: readonly { name: string; title: string }[],
  of: (row: string, encoder: EncoderRole) => StepScore | number,
  rest: {
    readonly note?: string;
    readonly published?: (encoder: EncoderRole) => Record<string, number>;
  } = {},
): FindingTable {
  return {
    title,
    head: "Model",
    ...(rest.note ? { note: rest.note } : {}),
    columns: columns(found, rest.published),
    rows: rows.map(({ name, title }) => ({
      name,
      title,
      cells: Object.fromEntries(
        found.params.encoders.map((encoder) => {
          const value = of(name, encoder);
          return [encoder, typeof value === "number" ? value : cell(value)];
        }),
      ),
    })),
  };
}

const named = (names: readonly Row[]) =>
  names.map((name) => ({ name, title: titleOf(name) }));

const mean = (values: readonly number[]) =>
  values.reduce((a, b) => a + b, 0) / values.length;

/**
 * The share of the gap between noise and a reference that a model recovers.
 *
 * @param found scores
 * @param encoder role
 * @param variant the model
 * @param reference "direct" by the published code, "mlp" by Figure 3's caption
 */
export function recovered(
  found: Diagnosis,
  encoder: EncoderRole,
  variant: VariantName,
  reference: VariantName,
): number {
  const at = (variant: VariantName) =>
    found.mean({ encoder, variant }, [0]).value;
  const low = at("epsilon");
  return (at(variant) - low) / (at(reference) - low);
}

/**
 * The least of the shares of all encoders, see {@linkcode recovered}.
 *
 * @param found scores
 * @param variant the model
 * @param reference where the gap ends
 */
export function leastRecovered(
  found: Diagnosis,
  variant: VariantName,
  reference: VariantName,
): { value: number; n: number; of: string } {
  const all = found.params.encoders.map((encoder) =>
    recovered(found, encoder, variant, reference)
  );
  return { value: Math.min(...all), n: all.length, of: "encoders" };
}

function chainTables(found: Diagnosis, published: PublishedChain) {
  const rows = named([...CHAIN, "copy", ...CONTROLS_OF_CHAIN]);
  const at = (steps?: number[]) => (row: string, encoder: EncoderRole) =>
    found.mean({ encoder, variant: row as Row }, steps);
  return {
    chain: table(found, "The chain, CosSim one step ahead", rows, at([0]), {
      note:
        "Weights of the last step, as published. The paper's numbers are of its encoders and data.",
      published: (encoder) =>
        Object.fromEntries(
          Object.entries(published[encoder]).map(([name, k]) => [name, k[0]!]),
        ),
    }),
    chainmean: table(
      found,
      "The chain, CosSim, mean over the steps",
      rows,
      at(),
      {
        published: (encoder) =>
          Object.fromEntries(
            Object.entries(published[encoder]).map((
              [name, k],
            ) => [name, mean(k)]),
          ),
      },
    ),
  };
}

function recoveredTable(found: Diagnosis, published: PublishedChain) {
  const cases = (["x0", "v", "residual"] as const).flatMap((variant) =>
    (["direct", "mlp", "mlpResidual"] as const).map((reference) => ({
      ...{ variant, reference, name: `${variant}-${reference}` },
      title: `${titleOf(variant)}: of the gap to ${titleOf(reference)}`,
    }))
  );
  return table(
    found,
    "Share of the gap from noise that an objective recovers, one step ahead",
    cases,
    (name, encoder) => {
      const { variant, reference } = cases.find((one) => one.name === name)!;
      return recovered(found, encoder, variant, reference);
    },
    {
      note:
        'The published code divides by the gap to the direct DiT and gives 0.885 for one seed of ViT-S/16; the caption of Figure 3 says "of the MLP gap".',
      published: (encoder) => {
        const own = published[encoder];
        const share = (to: string) =>
          (own.x0![0]! - own.epsilon![0]!) / (own[to]![0]! - own.epsilon![0]!);
        return Object.fromEntries(
          ["direct", "mlp", "mlpResidual"].map((to) => [`x0-${to}`, share(to)]),
        );
      },
    },
  );
}

function horizonTable(found: Diagnosis): FindingTable {
  const { horizons } = found.params;
  const rows = horizons.flatMap((horizon) =>
    [...LONG, "copy" as const].map((variant) => ({
      ...{ horizon, variant, name: `${variant}-${horizon}` },
      title: `${titleOf(variant)}, H ${horizon}`,
    }))
  );
  return table(
    found,
    "Longer horizons, CosSim, mean over the steps",
    rows,
    (name, encoder) => {
      const row = rows.find((one) => one.name === name)!;
      return found.mean({ ...row, encoder });
    },
    { note: "The DiT of all actions by averaged weights, as published." },
  );
}

/**
 * What all actions gain over one, for a model.
 *
 * @param found scores
 * @param encoder role
 * @param horizon steps predicted
 * @param from the model of one action
 * @param to that of all actions
 */
export function actionGain(
  found: Diagnosis,
  encoder: EncoderRole,
  horizon: number,
  from: VariantName,
  to: VariantName,
): StepScore {
  // Equal weights on both sides: only the actions differ.
  const view = VARIANTS[to].spec.network === "dit" ? "average" : "last";
  return found.less(
    { encoder, horizon, variant: to, view },
    { encoder, horizon, variant: from, view },
  );
}

/**
 * The interaction: what all actions gain for the DiT less what they gain for
 * the MLP, mean over the encoders.
 *
 * @param found scores
 * @param horizon steps predicted
 * @param from the DiT of one action, without or with positions
 */
export function interaction(
  found: Diagnosis,
  horizon: number,
  from: "x0" | "x0Placed",
): { value: number; n: number; of: string } {
  const { encoders } = found.params;
  const all = encoders.map((encoder) =>
    actionGain(found, encoder, horizon, from, "sequence").value -
    actionGain(found, encoder, horizon, "mlpResidual", "mlpSequence").value
  );
  return { value: mean(all), n: all.length, of: "encoders" };
}

function actionTable(found: Diagnosis): FindingTable {
  const gains = {
    dit: ["x0", "sequence", "DiT, from a model without positions"],
    placed: ["x0Placed", "sequence", "DiT, from one with positions"],
    mlp: ["mlpResidual", "mlpSequence", "MLP"],
  } as const;
  const rows = found.params.horizons.flatMap((horizon) => [
    ...Object.entries(gains).map(([key, [, , title]]) => ({
      ...{ key, horizon, name: `${key}-${horizon}` },
      title: `${title}, H ${horizon}`,
    })),
    ...["dit", "placed"].map((key) => ({
      ...{ key: `${key}-more`, horizon, name: `${key}-more-${horizon}` },
      title: `Interaction: ${
        key === "dit" ? "DiT" : "DiT with positions"
      } less MLP, H ${horizon}`,
    })),
  ]);
  return table(
    found,
    "What all actions gain over the first one, CosSim, mean over the steps",
    rows,
    (name, encoder) => {
      const { key, horizon } = rows.find((one) => one.name === name)!;
      const gain = (of: keyof typeof gains) =>
        actionGain(found, encoder, horizon, gains[of][0], gains[of][1]);
      return key.endsWith("-more")
        ? gain(key.slice(0, -5) as "dit" | "placed").value - gain("mlp").value
        : gain(key as keyof typeof gains);
    },
    {
      note:
        "The published comparison is the first: its model of all actions has positions, that of one action has none.",
    },
  );
}

function deltaTable(found: Diagnosis): FindingTable {
  const steps = Array.from({ length: found.params.horizons[0]! }, (_, k) => k);
  const pairs = { epsilon: "epsilonNone", mlp: "mlpNone" } as const;
  const rows = Object.keys(pairs).flatMap((name) =>
    steps.map((k) => ({
      name: `${name}-${k + 1}`,
      title: `${titleOf(name as Row)}, step ${k + 1}`,
    }))
  );
  return table(
    found,
    "DeltaCosSim: what knowing one action adds",
    rows,
    (row, encoder) => {
      const [name, k] = row.split("-") as [keyof typeof pairs, string];
      return found.less(
        { encoder, variant: name },
        { encoder, variant: pairs[name] },
        [Number(k) - 1],
      );
    },
  );
}

function samplerTable(found: Diagnosis): FindingTable {
  const { stepCounts, starts, guidances } = found.params;
  const rows = [
    ...stepCounts.map((n) => ({ name: `steps-${n}`, title: `${n} steps` })),
    ...starts.map((t) => ({
      name: `start-${t}`,
      title: `From the present noised to ${t}, of 5 steps`,
    })),
    ...guidances.map((w) => ({
      name: `guidance-${w}`,
      title: `Guided by ${w}`,
    })),
  ];
  return table(
    found,
    "Samplers of the model of noise, CosSim one step ahead",
    rows,
    (view, encoder) => found.mean({ encoder, variant: "epsilon", view }, [0]),
    {
      note: "Starts snap to the nearest visited step; 0 is the present itself.",
    },
  );
}

function quarterTable(found: Diagnosis): FindingTable {
  const models = ["x0", "mlpResidual", "copy"] as const;
  const last = found.params.horizons[0]! - 1;
  const rows = models.flatMap((variant) =>
    [0, 1, 2, 3].map((quarter) => ({
      name: `${variant}-${quarter + 1}`,
      title: `${titleOf(variant)}, quarter ${quarter + 1}`,
    }))
  );
  return table(
    found,
    `Quarters of the windows by copying, CosSim at step ${last + 1}`,
    rows,
    (row, encoder) => {
      const [variant, quarter] = row.split("-") as [Row, string];
      return found.quarters({ encoder, variant }, last)[Number(quarter) - 1]!;
    },
    { note: "Quarter 1 holds the windows that change most." },
  );
}

function drawTable(found: Diagnosis): FindingTable {
  const rows = [
    { name: "draws", title: "One draw, CosSim" },
    { name: "draws-best", title: `Best of ${found.params.draws}, CosSim` },
    { name: "draws-apart", title: "Distance of two draws" },
  ];
  return table(
    found,
    "Diversity of the x0 model, one step ahead",
    rows,
    (view, encoder) => found.mean({ encoder, variant: "x0", view }, [0]),
    { note: "The distance is 1 less the cosine of two draws of a window." },
  );
}

function weightTable(found: Diagnosis): FindingTable {
  return table(
    found,
    "Averaged weights less those of the last step, CosSim, mean over the steps",
    named([...CHAIN, ...CONTROLS_OF_CHAIN]),
    (row, encoder) =>
      found.less(
        { encoder, variant: row as VariantName, view: "average" },
        { encoder, variant: row as VariantName, view: "last" },
      ),
    {
      note:
        "The paper averages the weights of DiTs only, and evaluates averages of some.",
    },
  );
}

/**
 * Lays out all that the diagnosis found, but for the claims.
 *
 * @param found scores
 * @param published the paper's numbers
 */
export function layOut(
  found: Diagnosis,
  published: PublishedChain,
): Omit<Finding, "claims"> {
  return {
    tables: {
      ...chainTables(found, published),
      recovered: recoveredTable(found, published),
      horizons: horizonTable(found),
      actions: actionTable(found),
      delta: deltaTable(found),
      samplers: samplerTable(found),
      quarters: quarterTable(found),
      diversity: drawTable(found),
      weights: weightTable(found),
    },
    figures: diagnosisFigures(found, published),
    notes: [...found.notes],
  };
}
