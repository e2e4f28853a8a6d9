import type { Claim } from "../../core/report/report.ts";
import type { PointScores } from "./scores.ts";

/** Scores of all operating points at the last step, by name. */
export type PointTable = Readonly<Record<string, PointScores>>;

/** What a claim needs to know of the samples beside their scores. */
export interface CalibrationFacts {
  /** Standard deviation of raw samples over that of real latents. */
  readonly stdRatios: readonly number[];
}

function claim(
  id: string,
  text: string,
  holds: boolean,
  evidence: string,
): Claim {
  return { id, text, verdict: holds ? "holds" : "does not hold", evidence };
}

const f = (x: number) => x.toFixed(3);

/**
 * Tests the paper's claims on one recipe, with the margins stated in each.
 *
 * @param points scores at the last step
 * @param facts channel deviations
 * @param isTested false where numbers mean nothing (smoke)
 */
export function judge(
  points: PointTable,
  facts: CalibrationFacts,
  isTested: boolean,
): Claim[] {
  const get = (name: string): PointScores => {
    const scores = points[name];
    if (scores === undefined) throw new Error(`No operating point ${name}`);
    return scores;
  };
  const [direct, raw, calibrated, oracle, copy, ceiling, interpolated] = [
    "direct",
    "raw",
    "calibrated",
    "oracle",
    "copy",
    "ceiling",
    "interpolated",
  ].map(get) as [
    PointScores,
    PointScores,
    PointScores,
    PointScores,
    PointScores,
    PointScores,
    PointScores,
  ];
  const ratio = direct.kid.value / calibrated.kid.value;
  const kidGap = direct.kid.value - calibrated.kid.value;
  const cosGap = direct.cosSim.value - calibrated.cosSim.value;
  const ssimGap = direct.ssim.value - calibrated.ssim.value;
  const fidRatio = direct.fid / calibrated.fid;
  const oracleGap = Math.abs(oracle.kid.value - calibrated.kid.value);
  const claims = [
    claim(
      "perception",
      "Calibrated diffusion is closer to real frames than direct regression",
      ratio > 1.6 && kidGap > 0.04,
      `KID ${f(direct.kid.value)} against ${f(calibrated.kid.value)}: ratio ${
        ratio.toFixed(2)
      }, required above 1.6 and a gap above 0.04; the paper has 4.8. Both trained on equally many windows.`,
    ),
    claim(
      "perception-fid",
      "The same holds for FID",
      fidRatio > 1.2,
      `FID ${direct.fid.toFixed(1)} against ${
        calibrated.fid.toFixed(1)
      }: ratio ${fidRatio.toFixed(2)}, required above 1.2; the paper has 2.3.`,
    ),
    claim(
      "distortion",
      "Direct regression is closer to what really happened",
      cosGap > 0.07,
      `CosSim ${f(direct.cosSim.value)} against ${
        f(calibrated.cosSim.value)
      }: gap ${f(cosGap)}, required above 0.07; the paper has 0.211.`,
    ),
    claim(
      "distortion-ssim",
      "The same holds for SSIM",
      ssimGap > 0.08,
      `SSIM ${f(direct.ssim.value)} against ${f(calibrated.ssim.value)}: gap ${
        f(ssimGap)
      }, required above 0.08.`,
    ),
    claim(
      "between",
      "Interpolation lies between the two on CosSim",
      interpolated.cosSim.value < direct.cosSim.value &&
        interpolated.cosSim.value > raw.cosSim.value,
      `CosSim ${f(raw.cosSim.value)} raw, ${
        f(interpolated.cosSim.value)
      } interpolated, ${f(direct.cosSim.value)} direct.`,
    ),
    claim(
      "calibration",
      "Calibration from training windows is as good as that from test windows",
      oracleGap < 0.02,
      `KID ${f(calibrated.kid.value)} against ${
        f(oracle.kid.value)
      }: difference ${f(oracleGap)}, required below 0.02.`,
    ),
    claim(
      "dispersion",
      "Raw diffusion samples are over-dispersed, which calibration repairs",
      facts.stdRatios.every((x) => x > 1.5) &&
        raw.kid.value > calibrated.kid.value,
      `Deviation of raw samples over real latents by channel: ${
        facts.stdRatios.map((x) => x.toFixed(2)).join(", ")
      }, required above 1.5; the paper's are 2.4 to 2.8. KID ${
        f(raw.kid.value)
      } raw, ${f(calibrated.kid.value)} calibrated.`,
    ),
    claim(
      "ceiling",
      "The autoencoder itself costs little",
      ceiling.kid.value < 0.04,
      `KID ${
        f(ceiling.kid.value)
      } of decoded real latents, required below 0.04.`,
    ),
    claim(
      "copy",
      "The model's samples are closer to real frames than a copy of the present",
      calibrated.kid.value < copy.kid.value,
      `KID ${f(calibrated.kid.value)} calibrated, ${
        f(copy.kid.value)
      } copy. The paper does not show this baseline.`,
    ),
  ];
  if (isTested) return claims;
  return claims.map((each) => ({ ...each, verdict: "not tested" }));
}
