/**
 * Counterfactuals as figures and pictures.
 *
 * @module
 */

import { FrameLoader } from "../data/frames.ts";
import type { Finding } from "../experiment/findings.ts";
import type { Image } from "../formats/image.ts";
import { encodePng } from "../formats/png.ts";
import { leastSquaresLine } from "../metrics/spearman.ts";
import { mean } from "../metrics/statistics.ts";
import { encodeGif } from "../report/animation.ts";
import { contactSheet } from "../report/contact_sheet.ts";
import { type PathPanel, pathPlot, scatterPlot } from "../report/plot.ts";
import {
  type Commands,
  counterfactualFutures,
  drivenFrames,
  drivenSteps,
  type Variant,
  variantsOf,
} from "./counterfactual.ts";
import {
  type ActionPart,
  asRead,
  PARTS,
  pathOf,
} from "./counterfactual_results.ts";
import type { CounterfactualParams, ReadKind } from "./counterfactual_run.ts";
import { readFrames } from "./data.ts";
import type { Figure } from "./figures.ts";
import type { Lab } from "./lab.ts";
import { imagesOf, levelsOf, zoomOf } from "./pictures.ts";
import { firstWindows } from "./sweep.ts";

/** Milliseconds that a frame of an animation is shown. */
const FRAME_TIME = 500;

/** Numbers of the variants of one part, by their factors. */
function sweepOf(variants: readonly Variant[], part: ActionPart): number[] {
  const other = part === "steer" ? "accel" : "steer";
  return [...variants.keys()].filter((v) => variants[v]![other] === 1)
    .sort((a, b) => variants[a]![part] - variants[b]![part]);
}

/**
 * The window whose recorded steering is strongest: there a change of it should
 * be seen.
 *
 * @param commands of all windows
 */
export function strongestWindow({ actions }: Commands): number {
  const strength = actions.map(([recorded = []]) =>
    mean(drivenSteps(recorded).map(({ steerRad }) => Math.abs(steerRad)))
  );
  return strength.indexOf(Math.max(...strength));
}

/**
 * Draws what was read against what was commanded: a dot is the mean over the
 * horizon of one future.
 *
 * @param kinds with counterfactuals, a panel each
 * @param commands what was commanded
 * @param variants of the actions
 * @param part of the actions
 */
export function commandFigure(
  kinds: readonly ReadKind[],
  commands: Commands,
  variants: readonly Variant[],
  part: ActionPart,
): Figure {
  const { title, unit } = PARTS[part];
  const list = sweepOf(variants, part);
  const meanOf = (actions: readonly number[]) =>
    mean(
      drivenSteps(actions).map(({ steerRad, accelMps2 }) =>
        part === "steer" ? steerRad : accelMps2
      ),
    );
  const panels = kinds.filter(({ scores }) => scores.response !== undefined)
    .map(({ title, seeds }) => {
      const points = seeds.flatMap(({ read }) =>
        read.flatMap((own, i) =>
          list.map((v) => ({
            x: meanOf(commands.actions[i]![v]!),
            y: meanOf(own[v]!),
          }))
        )
      );
      const [x, y] = [points.map(({ x }) => x), points.map(({ y }) => y)];
      const line = leastSquaresLine(x, y);
      return {
        label: title.replace(/ \(.*/, ""),
        points,
        ...(Number.isFinite(line.slope) ? { line } : {}),
      };
    });
  return {
    svg: scatterPlot(panels, {
      xLabel: `Commanded ${title}, ${unit}`,
      yLabel: `Read, ${unit}`,
    }),
    caption: `${title[0]!.toUpperCase()}${
      title.slice(1)
    } that the probe reads against the one commanded, recorded times ${
      list.map((v) => String(variants[v]![part])).join(", ")
    }; a dot is the mean over the horizon of one future, the line their least squares, the dashed one where both are equal.`,
  };
}

/**
 * Draws the paths of one window under other steering, beside those commanded.
 *
 * @param kinds with counterfactuals, a panel each
 * @param commands what was commanded
 * @param variants of the actions
 */
export function pathFigure(
  kinds: readonly ReadKind[],
  commands: Commands,
  variants: readonly Variant[],
): Figure {
  const window = strongestWindow(commands);
  const list = sweepOf(variants, "steer");
  const panels = kinds.filter(({ scores }) => scores.response !== undefined)
    .map(({ title, seeds }): PathPanel => ({
      label: title.replace(/ \(.*/, ""),
      paths: list.map((v) => ({
        label: String(variants[v]!.steer),
        commanded: pathOf(commands, window, commands.actions[window]![v]!),
        followed: pathOf(
          commands,
          window,
          asRead(
            commands.actions[window]![v]!,
            seeds[0]!.read[window]![v]!,
            "steer",
          ),
        ),
      })),
    }));
  return {
    svg: pathPlot(panels, { title: "Paths commanded and followed" }),
    caption: `${commands
      .scenes[window]!}, the window with the strongest recorded steering, at ${
      commands.speeds[window]!.toFixed(1)
    } m/s: paths of the commanded actions (dashed, with the factor of the steering) and of the steering that the probe reads, acceleration as commanded, both by the bicycle model.`,
  };
}

/**
 * Shows the futures of the window that steers most, a column for each factor of
 * the steering: the last frame as a sheet, and all frames moving.
 *
 * @param lab networks and frames
 * @param kinds of one recipe
 * @param commands what was commanded
 */
export async function counterfactualPictures(
  lab: Lab<CounterfactualParams>,
  kinds: readonly ReadKind[],
  commands: Commands,
): Promise<NonNullable<Finding["media"]>> {
  const { horizon, size, scenes } = lab.params;
  const [{ root }, networks, { windows, paths }] = [
    await lab.data(),
    await lab.networks(),
    await lab.part("test"),
  ];
  const variants = variantsOf(lab.params);
  // The left of the page is the left of the road.
  const list = sweepOf(variants, "steer");
  const i = strongestWindow(commands);
  const turns = mean(
    drivenSteps(commands.actions[i]![0]!).map(({ steerRad }) => steerRad),
  );
  if (turns > 0) list.reverse();
  const window = firstWindows(windows, scenes)[i]!;
  using loader = new FrameLoader();
  const [present] = imagesOf(
    await readFrames(loader, root, [paths[window.row]!], size, "bicubic"),
    size,
  );
  const rows: { label: string; films: Image[][] }[] = [];
  for (const { title, sources: [source] } of kinds) {
    if (source === undefined) continue;
    const films: Image[][] = [];
    lab.context.interrupt.check();
    if ("model" in source) {
      using made = await counterfactualFutures(lab, source, lab.params);
      for (const v of list) {
        const latents = made.whole(i * variants.length + v);
        films.push(imagesOf(levelsOf(await networks.decode(latents)), size));
      }
    } else if (source.reference === "driven") {
      for (const v of list) {
        const actions = commands.actions[i]![v]!;
        const { scene, row } = window;
        const levels = await drivenFrames(lab, scene, paths[row]!, actions);
        films.push(imagesOf(levels, size));
      }
    } else continue;
    rows.push({ label: title.replace(/ \(.*/, ""), films });
  }
  const zoom = zoomOf(size);
  const columns = list.map((v) => `steering × ${String(variants[v]!.steer)}`);
  const sheetAt = (step: number) =>
    contactSheet(
      rows.map(({ label, films }) => ({
        label,
        images: films.map((film) => step === 0 ? present! : film[step - 1]!),
      })),
      columns,
      zoom,
    );
  const moments = Array.from({ length: horizon + 1 }, (_, h) => sheetAt(h));
  const last = moments.at(-1)!;
  const alt = `Futures of ${window.scene}: ${
    rows.map(({ label }) => label).join(", ")
  }, for ${list.length} factors of the steering`;
  return {
    counterfactuals: {
      bytes: encodePng(last.image),
      type: "image/png",
      alt,
      caption:
        `${window.scene} at t+${horizon}, if the steering were another one: a column for each factor, left turns on the left; in a row all else is equal.`,
      labels: last.labels,
    },
    moving: {
      bytes: encodeGif(moments.map(({ image }) => image), FRAME_TIME),
      type: "image/gif",
      alt,
      caption: "The same, moving, from the present on.",
      labels: last.labels,
    },
  };
}
