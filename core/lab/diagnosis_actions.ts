import type { FindingTable } from "../experiment/findings.ts";
import { meanScore, type StepScore } from "../metrics/step_scores.ts";
import { encoderTable } from "./diagnosis_layout.ts";
import type { Diagnosis } from "./diagnosis_run.ts";
import type { EncoderRole } from "./encoder_entries.ts";
import { type VariantName, VARIANTS } from "./latent_variants.ts";

/** What all actions gain over one, for a model. */
function actionGain(
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

/** The interaction of one encoder: twice the mean difference of two pairs. */
function interactionOf(
  found: Diagnosis,
  encoder: EncoderRole,
  horizon: number,
  from: "x0" | "x0Placed",
): StepScore {
  const of = (variant: VariantName, view: string) =>
    found.scores({ encoder, horizon, variant, view });
  const { value, low, high, n } = meanScore(
    [...of("sequence", "average"), ...of("mlpResidual", "last")],
    { less: [...of(from, "average"), ...of("mlpSequence", "last")] },
  );
  return { value: 2 * value, low: 2 * low, high: 2 * high, n };
}

/**
 * The interaction: what all actions gain for the DiT less what they gain for
 * the MLP, mean over the encoders, as are the ends of its interval.
 *
 * @param found scores
 * @param horizon steps predicted
 * @param from the DiT of one action, without or with positions
 */
export function interaction(
  found: Diagnosis,
  horizon: number,
  from: "x0" | "x0Placed",
): StepScore & { readonly of: string } {
  const all = found.params.encoders.map((encoder) =>
    interactionOf(found, encoder, horizon, from)
  );
  const over = (part: "value" | "low" | "high") =>
    all.reduce((sum, one) => sum + one[part] / all.length, 0);
  return {
    ...{ value: over("value"), low: over("low"), high: over("high") },
    ...{ n: all[0]!.n, of: "scenes" },
  };
}

/** The DiT of one action, by the row of the interaction. */
const FROM: Readonly<Record<string, "x0" | "x0Placed">> = {
  "dit-more": "x0",
  "placed-more": "x0Placed",
};

/**
 * Lays out what all actions gain over the first one.
 *
 * @param found scores
 */
export function actionTable(found: Diagnosis): FindingTable {
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
  return encoderTable(
    found,
    "What all actions gain over the first one, CosSim, mean over the steps",
    rows,
    (name, encoder) => {
      const { key, horizon } = rows.find((one) => one.name === name)!;
      const gain = (of: keyof typeof gains) =>
        actionGain(found, encoder, horizon, gains[of][0], gains[of][1]);
      return key.endsWith("-more")
        ? interactionOf(found, encoder, horizon, FROM[key]!)
        : gain(key as keyof typeof gains);
    },
    {
      note:
        "The published comparison is the first: its model of all actions has positions, that of one action has none.",
    },
  );
}
