import { fromFileUrl } from "@std/path";
import { FrameLoader } from "../../core/data/frames.ts";
import type { CommonFlags } from "../../core/experiment/flags.ts";
import { writeAtomic } from "../../core/experiment/run_directory.ts";
import type { Image } from "../../core/formats/image.ts";
import { encodeApng, encodePng } from "../../core/formats/png.ts";
import { mean } from "../../core/metrics/statistics.ts";
import { contactSheet } from "../../core/report/contact_sheet.ts";
import { barPlot, frontierPlot, linePlot } from "../../core/report/plot.ts";
import { rasterize } from "../../core/report/rasterize.ts";
import { type Block, renderReport } from "../../core/report/report.ts";
import {
  formatNumber,
  type Measured,
  type Table,
  tableToCsv,
  tableToJson,
} from "../../core/report/table.ts";
import {
  DIVERSITY_LAST,
  DIVERSITY_REAL,
  KID_RATIO,
  MEAN_COSSIM,
  SHARPNESS_LAST,
  SSIM_LAST,
  TABLE_2,
} from "../paper.ts";
import { judge } from "./claims.ts";
import { type EncodingFacts, type PreparedData, readFrames } from "./data.ts";
import type { Context } from "./params.ts";
import type { PicturedFutures, StepScores } from "./points.ts";
import { type PointScores, type Score, TRAINED_FRAMES } from "./scores.ts";
import type { RecipeSeed, TrainingFacts } from "./train.ts";
import type { TunedFeatures } from "./tune_features.ts";

/** What one recipe with one seed came to. */
export interface SeedResult extends RecipeSeed {
  /** Horizon steps that are scored, from 0. */
  readonly steps: readonly number[];
  /** How each model was trained. */
  readonly training: Readonly<Record<string, TrainingFacts>>;
  /** Scores by step. */
  readonly scores: Readonly<Record<number, StepScores>>;
  /** CosSim at every step by model. */
  readonly perStep: Readonly<Record<string, readonly number[]>>;
  /** Latents for the pictures. */
  readonly pictured: readonly PicturedFutures[];
}

/** Operating points in the order of the tables. */
const POINTS: Readonly<Record<string, string>> = {
  direct: "Direct regression",
  interpolated: "Interpolation, half direct and half raw",
  raw: "Diffusion, raw",
  guided: "Diffusion, guided",
  calibrated: "Diffusion, calibrated on training windows",
  oracle: "Diffusion, calibrated on the test windows (oracle)",
  mlp: "MLP baseline",
  copy: "Copy of the present",
  ceiling: "Real latents decoded (ceiling)",
};

function measured(
  scores: readonly PointScores[],
  pick: (scores: PointScores) => Score,
  published?: number,
): Measured {
  const own = scores.map(pick);
  const n = scores[0]?.n ?? 0;
  return {
    value: mean(own.map((score) => score.value)),
    low: mean(own.map((score) => score.low)),
    high: mean(own.map((score) => score.high)),
    n,
    ...(published === undefined ? {} : { published }),
  };
}

function plain(
  scores: readonly PointScores[],
  pick: (scores: PointScores) => number,
  published?: number,
): Measured {
  return {
    value: mean(scores.map(pick)),
    n: scores[0]?.n ?? 0,
    ...(published === undefined ? {} : { published }),
  };
}

/** Diversity averaged over seeds; an empty cell where there is one future. */
function diverse(
  scores: readonly PointScores[],
  published?: number,
): Measured | null {
  const own = scores.flatMap(({ diversity }) => diversity ?? []);
  const [first] = own;
  if (first === undefined) return null;
  return {
    value: mean(own.map(({ value }) => value)),
    low: mean(own.map(({ low }) => low)),
    high: mean(own.map(({ high }) => high)),
    n: first.n,
    ...(published === undefined ? {} : { published }),
  };
}

/** Table 2 of one recipe at one step, averaged over seeds. */
function pointTable(
  results: readonly SeedResult[],
  step: number,
  isLast: boolean,
): Table {
  const rows = Object.entries(POINTS).map(([name, label]) => {
    const scores = results.flatMap((result) =>
      result.scores[step]?.points[name] ?? []
    );
    const paper = isLast ? TABLE_2[name] : undefined;
    return {
      point: label,
      kid: measured(scores, (s) => s.kid, paper?.kid),
      spread: plain(scores, (s) => s.kidSpread, paper?.kidSpread),
      kidDecoded: plain(scores, (s) => s.kidDecoded),
      fid: plain(scores, (s) => s.fid, paper?.fid),
      cosSim: measured(scores, (s) => s.cosSim, paper?.cosSim),
      ssim: measured(
        scores,
        (s) => s.ssim,
        isLast ? SSIM_LAST[name] : undefined,
      ),
      sharpness: plain(
        scores,
        (s) => s.sharpness,
        isLast ? SHARPNESS_LAST[name] : undefined,
      ),
      deltaCosSim: measured(scores, (s) => s.deltaCosSim),
      manifold: plain(scores, (s) => s.manifold),
      diversity: diverse(scores, isLast ? DIVERSITY_LAST[name] : undefined),
    };
  });
  return {
    columns: [
      { key: "point", label: "Operating point" },
      { key: "kid", label: "KID", decimals: 3 },
      { key: "spread", label: "KID subset spread", decimals: 3 },
      { key: "kidDecoded", label: "KID, decoded reference", decimals: 3 },
      { key: "fid", label: "FID", decimals: 1 },
      { key: "cosSim", label: "CosSim", decimals: 3 },
      { key: "ssim", label: "SSIM", decimals: 3 },
      { key: "sharpness", label: "Sharpness of real", decimals: 2 },
      { key: "deltaCosSim", label: "CosSim of change", decimals: 3 },
      { key: "manifold", label: "Distance to training", decimals: 2 },
      { key: "diversity", label: "Diversity", decimals: 2 },
    ],
    rows,
  };
}

function toImage(pixels: Float32Array, size: number): Image {
  return {
    width: size,
    height: size,
    data: Uint8Array.from(
      pixels,
      (value) => Math.round(255 * Math.min(1, Math.max(0, value))),
    ),
  };
}

interface Film {
  /** Rows of frames of each shown window. */
  readonly rows: { label: string; images: (Image | null)[] }[];
  /** The animation: camera, direct and diffusion side by side. */
  readonly frames: Image[];
}

async function draw(
  { params: { horizon, size }, interrupt }: Context,
  { data, networks }: PreparedData,
  result: SeedResult,
): Promise<Film> {
  const pixels = size * size * 3;
  using loader = new FrameLoader();
  const rows: Film["rows"] = [];
  const strips: Image[][][] = [];
  for (const { window, ...latents } of result.pictured) {
    const row = data.test.rows[window]!;
    const paths = data.test.paths.slice(row, row + horizon + 1);
    const camera = await readFrames(loader, data.root, paths, size, "bicubic");
    const real = Array.from({ length: horizon + 1 }, (_, i) => ({
      width: size,
      height: size,
      data: camera.subarray(i * pixels, (i + 1) * pixels),
    }));
    const decode = async (future: Float32Array) => {
      interrupt.check();
      const images = await networks.decode(future);
      return Array.from(
        { length: horizon },
        (_, i) => toImage(images.subarray(i * pixels, (i + 1) * pixels), size),
      );
    };
    const vae = await decode(latents.real);
    const direct = await decode(latents.direct);
    const diffusion = await decode(latents.raw);
    const scene = data.test.scenes[window] ?? "";
    rows.push(
      { label: `${scene}: camera`, images: real },
      { label: "real latents decoded", images: [null, ...vae] },
      { label: "direct", images: [null, ...direct] },
      { label: "diffusion, raw sample", images: [null, ...diffusion] },
    );
    strips.push([real.slice(1), direct, diffusion]);
  }
  const frames = Array.from({ length: horizon }, (_, step) => {
    const moment = strips.map((strip) => strip.map((film) => film[step]!));
    return sideBySide(moment, size, zoomOf(size));
  });
  return { rows, frames };
}

/** Screen pixels of a frame's pixel: small frames are shown larger. */
function zoomOf(size: number): number {
  return size < 128 ? 2 : 1;
}

/** A grid of equally large images on white, four pixels apart. */
function sideBySide(
  grid: readonly (readonly Image[])[],
  size: number,
  zoom: number,
): Image {
  const side = size * zoom + 4;
  const width = side * (grid[0]?.length ?? 0) - 4;
  const height = side * grid.length - 4;
  const data = new Uint8Array(width * height * 3).fill(255);
  for (const [i, row] of grid.entries()) {
    for (const [j, image] of row.entries()) {
      for (let y = 0; y < size * zoom; y++) {
        for (let x = 0; x < size * zoom; x++) {
          const from = Math.floor(y / zoom) * size + Math.floor(x / zoom);
          const to = (i * side + y) * width + j * side + x;
          data.set(image.data.subarray(3 * from, 3 * from + 3), 3 * to);
        }
      }
    }
  }
  return { width, height, data };
}

function figure5(results: readonly SeedResult[], step: number): string {
  const shown = [
    "direct",
    "interpolated",
    "raw",
    "guided",
    "calibrated",
    "copy",
    "mlp",
  ];
  return frontierPlot(
    shown.map((name) => {
      const scores = results.flatMap((each) =>
        each.scores[step]?.points[name] ?? []
      );
      const kid = measured(scores, (s) => s.kid);
      return {
        label: name,
        group: ["copy", "mlp"].includes(name) ? "baseline" : "model",
        distortion: mean(scores.map((s) => s.cosSim.value)),
        perception: kid.value,
        low: kid.low ?? kid.value,
        high: kid.high ?? kid.value,
      };
    }),
    {
      scale: "linear",
      xLabel: "CosSim (higher is closer to what happened)",
      yLabel: "KID (lower is closer to real frames)",
      title: "Perception and distortion of each operating point",
    },
  );
}

function figure4(results: readonly SeedResult[]): string {
  const names = ["direct", "raw", "calibrated", "ceiling"];
  const steps = results[0]?.steps ?? [];
  return barPlot(
    steps.flatMap((step) =>
      names.map((name) => {
        const scores = results.flatMap((each) =>
          each.scores[step]?.points[name] ?? []
        );
        const kid = measured(scores, (s) => s.kid);
        return {
          label: name,
          group: `t+${step + 1}`,
          value: kid.value,
          low: kid.low ?? kid.value,
          high: kid.high ?? kid.value,
          seeds: scores.map((s) => s.kid.value),
        };
      })
    ),
    { label: "KID", title: "KID by operating point and horizon" },
  );
}

/**
 * What a tuning of the feature network did, in a sentence.
 *
 * @param tuned as measured
 */
export function describeTuning(
  { loss, frames, scenes, told }: TunedFeatures,
): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const measure = told === undefined
    ? ""
    : `; it tells the scene of ${percent(told.share)} of ${
      formatNumber(told.held)
    } held-out frames, where chance is ${percent(1 / scenes)}`;
  return `The feature network was fine-tuned on ${
    formatNumber(frames)
  } frames of ${formatNumber(scenes)} training scenes, from a loss of ${
    loss[0].toFixed(2)
  } to ${loss[1].toFixed(2)}${measure}.`;
}

/** What to know of the feature network, unless it is the one that fits. */
function featureNote(flags: CommonFlags, tuned?: TunedFeatures): string {
  if (tuned !== undefined) return `${describeTuning(tuned)} `;
  return flags.data !== undefined && flags.files.inception === undefined
    ? "The feature network was trained on the embedded world and not on this dataset: read the ceiling first. "
    : "";
}

/** What an encoding stage did, beside its seconds. */
function encodingNote(facts: EncodingFacts, frames: number): string {
  const { encoded, waitingSeconds, networkSeconds } = facts;
  if (encoded === 0) return `all ${formatNumber(frames)} frames were kept`;
  return `${formatNumber(encoded)} of ${formatNumber(frames)} frames: ${
    networkSeconds.toFixed(1)
  } s in the network, ${waitingSeconds.toFixed(1)} s waiting for frames`;
}

const NAMES = {
  visible: "present visible to the network (our addition)",
  paper: "as published",
} as const;

/**
 * Writes tables, figures, pictures and the report into the run folder.
 *
 * @param context of the experiment
 * @param prepared the dataset and the networks that it was encoded by
 * @param results of all recipes and seeds
 * @param encoding how each part was encoded
 * @param tuned how the feature network was fine-tuned, if it was
 */
export async function writeReport(
  context: Context,
  prepared: PreparedData,
  results: readonly SeedResult[],
  encoding: Readonly<Record<"train" | "test", EncodingFacts>>,
  tuned?: TunedFeatures,
): Promise<void> {
  const { run, params, flags, gpu, interrupt } = context;
  const { data, networks } = prepared;
  const line = context.progress("write the report");
  const font = await Deno.readFile(
    fromFileUrl(
      new URL("../../fixtures/fonts/DejaVuSans.ttf", import.meta.url),
    ),
  );
  const isTested = flags.preset !== "smoke";
  const last = params.horizon - 1;
  const recipes = [...new Set(results.map(({ recipe }) => recipe))];
  const sections: { title: string; blocks: Block[] }[] = [];
  const claims = [];
  let lead = "";
  for (const recipe of recipes) {
    const own = results.filter((result) => result.recipe === recipe);
    const first = own[0];
    if (first === undefined) continue;
    const suffix = recipes.length > 1 ? `-${recipe}` : "";
    const pictured = async (name: string, svg: string) => {
      interrupt.check();
      await writeAtomic(run.file(`${name}${suffix}.svg`), svg);
      await writeAtomic(
        run.file(`${name}${suffix}.png`),
        await rasterize(svg, font),
      );
      return svg;
    };
    const table = pointTable(own, last, true);
    await writeAtomic(run.file(`table2${suffix}.csv`), tableToCsv(table));
    await writeAtomic(run.file(`table2${suffix}.json`), tableToJson(table));
    const points = Object.fromEntries(
      Object.keys(POINTS).map((name) => {
        const scores = own.flatMap((each) =>
          each.scores[last]?.points[name] ?? []
        );
        const average = (pick: (s: PointScores) => Score): Score => {
          const { value, low = value, high = value } = measured(scores, pick);
          return { value, low, high };
        };
        const number = (pick: (s: PointScores) => number) =>
          mean(scores.map(pick));
        const point: PointScores = {
          n: scores[0]?.n ?? 0,
          kid: average((s) => s.kid),
          kidSpread: number((s) => s.kidSpread),
          kidDecoded: number((s) => s.kidDecoded),
          fid: number((s) => s.fid),
          cosSim: average((s) => s.cosSim),
          ssim: average((s) => s.ssim),
          sharpness: number((s) => s.sharpness),
          deltaCosSim: average((s) => s.deltaCosSim),
          manifold: number((s) => s.manifold),
        };
        return [name, point];
      }),
    );
    const at = first.scores[last]?.statistics;
    const ratios = (at?.raw.std ?? []).map((std, c) =>
      std / (at?.real.std[c] ?? 1)
    );
    const judged = judge(points, { stdRatios: ratios }, isTested);
    claims.push(...judged.map((claim) => ({
      ...claim,
      id: `${claim.id}${suffix}`,
      text: recipes.length > 1
        ? `${claim.text} (${NAMES[recipe]})`
        : claim.text,
    })));
    const [direct, calibrated, copy] = ["direct", "calibrated", "copy"]
      .map((name) => points[name]?.kid.value ?? NaN);
    lead += `Recipe ${recipe} (${NAMES[recipe]}): KID ${
      direct?.toFixed(3)
    } direct, ${calibrated?.toFixed(3)} calibrated diffusion, ratio ${
      ((direct ?? NaN) / (calibrated ?? NaN)).toFixed(1)
    } (paper ${KID_RATIO}); a copy of the present has ${copy?.toFixed(3)}. `;

    const film = await draw(context, prepared, first);
    const columns = Array.from(
      { length: params.horizon + 1 },
      (_, i) => i === 0 ? "t" : `t+${i}`,
    );
    const sheet = contactSheet(film.rows, columns, zoomOf(params.size));
    await writeAtomic(run.file(`frames${suffix}.png`), encodePng(sheet.image));
    const animation = encodeApng(film.frames, 400);
    await writeAtomic(run.file(`rollout${suffix}.png`), animation);
    const middle = first.steps[0] ?? 0;
    sections.push({
      title: `Results, recipe ${recipe}: ${NAMES[recipe]}`,
      blocks: [
        {
          kind: "figure",
          svg: await pictured("figure5", figure5(own, last)),
          caption: `Figure 5: perception against distortion at t+${
            last + 1
          }, bars are 95 % bootstrap intervals over scenes.`,
        },
        {
          kind: "table",
          table,
          caption: `Table 2 at t+${last + 1} (${
            (last + 1) / 2
          } s). Intervals: 95 % bootstrap over scenes. Published numbers are of another dataset, horizon and feature network: compare orders, not sizes.`,
        },
        {
          kind: "table",
          table: pointTable(own, middle, false),
          caption: `The same at t+${middle + 1}.`,
        },
        {
          kind: "figure",
          svg: await pictured("figure4", figure4(own)),
          caption:
            "Figure 4: KID by horizon; dots are seeds, bars 95 % bootstrap intervals over scenes.",
        },
        {
          kind: "html",
          html: sheet.html,
          caption:
            "Frames of the first step to the last. Diffusion is a raw sample, not chosen.",
        },
        {
          kind: "media",
          bytes: animation,
          type: "image/apng",
          alt: "Camera, direct and diffusion side by side over the horizon",
          caption: "The same windows moving: camera, direct, diffusion.",
        },
        {
          kind: "figure",
          svg: await pictured(
            "cossim",
            linePlot(
              Object.entries(first.perStep).map(([label, values]) => ({
                label,
                points: values.map((y, i) => ({ x: i + 1, y })),
              })),
              { xLabel: "frames ahead (2 Hz)", yLabel: "CosSim" },
            ),
          ),
          caption: `CosSim at each step. The paper's means over 16 steps: ${
            Object.entries(MEAN_COSSIM).map(([name, value]) =>
              `${name} ${value.toFixed(3)}`
            ).join(", ")
          }.`,
        },
        {
          kind: "figure",
          svg: await pictured(
            "loss",
            linePlot(
              Object.entries(first.training).map(([label, { curve }]) => ({
                label,
                points: curve.step.map((x, i) => ({
                  x,
                  y: curve.loss[i] ?? 0,
                })),
              })),
              { xLabel: "training step", yLabel: "loss", scale: "log" },
            ),
          ),
          caption: `Training loss, seed ${first.seed}. Trained values: ${
            Object.entries(first.training).map(([name, { parameters }]) =>
              `${name} ${parameters.toLocaleString("en")}`
            ).join(", ")
          }.`,
        },
      ],
    });
  }
  const check = results[0]?.scores[last]?.check;
  const { quality } = data;
  sections.push({
    title: "What was measured",
    blocks: [
      {
        kind: "text",
        text:
          `Frames were encoded and decoded by ${networks.vaeName}; FID and KID see ${networks.featureName}. ${
            featureNote(flags, tuned)
          }Direct and diffusion were trained on ${
            params.samples.toLocaleString("en")
          } windows each, from ${data.sceneCounts.train} scenes; scores are of ${data.test.rows.length} windows of ${data.sceneCounts.test} test scenes, one sample each. KID against camera frames unless said otherwise. CosSim of change compares predicted minus present with real minus present; distance to training is that of latents to the nearest of ${
            TRAINED_FRAMES.toLocaleString("en")
          } or fewer training frames, in units of a latent. Diversity is the distance of the latents of two samples of a window, averaged over ${params.diversitySamples} samples of each of ${
            Math.min(params.diversityWindows, data.test.rows.length)
          } windows; direct regression and the baselines have one future. The paper's is of latents of 4,096 values, where real futures of windows that look alike are ${
            DIVERSITY_REAL.toFixed(1)
          } apart.`,
      },
      ...(check === undefined ? [] : [{
        kind: "text",
        text: `Metric check at t+${
          last + 1
        }: camera frames of half of the test scenes against those of the others (${
          check.n.join(" and ")
        }) have KID ${check.kid.toFixed(3)} and FID ${
          check.fid.toFixed(1)
        }; all against themselves, FID ${check.sameFid.toExponential(0)}.`,
      }] as const),
      {
        kind: "text",
        text:
          `Dataset: ${data.scenes}. ${quality.retainedSamples} of ${quality.totalKeyframes} keyframes kept; dropped: ${
            Object.entries(quality.droppedKeyframes).map(([reason, count]) =>
              `${count} (${reason})`
            ).join(", ") || "none"
          }.`,
      },
    ],
  });
  const html = renderReport({
    title: "The perception-distortion frontier",
    lead: lead.trim(),
    ...(isTested ? {} : {
      banner:
        "This is the smoke preset: it shows that everything runs. Its numbers mean nothing.",
    }),
    command: context.command,
    adapter: gpu.adapter,
    provenance: {
      deno: Deno.version.deno,
      dataset: data.digest,
      vae: networks.vaeDigest,
      features: networks.featureDigest,
      ...Object.fromEntries(
        Object.entries(params).map(([name, value]) => [name, String(value)]),
      ),
    },
    claims,
    sections,
    stageTimes: run.stageTimes.map((time) => {
      const part = { "encode-train": "train", "encode-test": "test" } as const;
      const own = part[time.stage as keyof typeof part];
      if (own === undefined) return time;
      return {
        ...time,
        note: encodingNote(encoding[own], data[own].paths.length),
      };
    }),
  });
  await writeAtomic(run.file("report.html"), html);
  line.end();
}
