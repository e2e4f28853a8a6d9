import type { Finding, FindingTable } from "../experiment/findings.ts";
import {
  diagnosisFigures,
  type PublishedChain,
  titleOf,
} from "./diagnosis_figures.ts";
import { actionTable } from "./diagnosis_actions.ts";
import { encoderTable as table } from "./diagnosis_layout.ts";
import type { Asked, Diagnosis } from "./diagnosis_run.ts";
import type { EncoderRole } from "./encoder_entries.ts";
import {
  CHAIN,
  CONTROLS_OF_CHAIN,
  LONG,
  type VariantName,
} from "./latent_variants.ts";

type Row = Asked["variant"];

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
