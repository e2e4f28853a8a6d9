import type { Finding } from "../experiment/findings.ts";
import { barPlot, linePlot } from "../report/plot.ts";
import type { Asked, Diagnosis } from "./diagnosis_run.ts";
import type { EncoderRole } from "./encoder_entries.ts";
import { CHAIN, VARIANTS } from "./latent_variants.ts";

/** Numbers of the paper by encoder and model: CosSim at steps 1 to 4. */
export type PublishedChain = Readonly<
  Record<EncoderRole, Readonly<Record<string, readonly number[]>>>
>;

/** What reports call a model. */
export function titleOf(row: Asked["variant"]): string {
  return row === "copy" ? "Copy of the present" : VARIANTS[row].title;
}

/**
 * Draws the chain, and the steps of the longest horizon of each encoder.
 *
 * @param found scores
 * @param published the paper's numbers
 */
export function diagnosisFigures(
  found: Diagnosis,
  published: PublishedChain,
): NonNullable<Finding["figures"]> {
  const { encoders, horizons } = found.params;
  const chain: readonly Asked["variant"][] = [...CHAIN, "copy"];
  return {
    figure3: {
      svg: barPlot(
        encoders.flatMap((encoder) =>
          chain.map((variant) => {
            const { value, low, high } = found.mean({ encoder, variant }, [0]);
            const paper = published[encoder][variant]?.[0];
            return {
              ...{ value, low, high, label: titleOf(variant) },
              group: found.titles[encoder]!,
              ...(paper === undefined ? {} : { published: paper }),
            };
          })
        ),
        { label: "CosSim, one step ahead", title: "The chain of objectives" },
      ),
      caption:
        "CosSim one step ahead with intervals over scenes; diamonds are the paper's, on its encoders and data.",
    },
    ...Object.fromEntries(encoders.map((encoder) => [`steps_${encoder}`, {
      svg: linePlot(
        (["x0", "x0Placed", "sequence", "mlpResidual", "copy"] as const).map(
          (variant) => ({
            label: titleOf(variant),
            points: Array.from({ length: horizons.at(-1)! }, (_, k) => {
              const { value, low, high } = found.mean({
                ...{ encoder, variant, horizon: horizons.at(-1)! },
              }, [k]);
              return { x: k + 1, y: value, low, high };
            }),
          }),
        ),
        { xLabel: "Step, at 2 Hz", yLabel: "CosSim" },
      ),
      caption: `${found
        .titles[encoder]!}: CosSim of each step of the longest horizon.`,
    }])),
  };
}
