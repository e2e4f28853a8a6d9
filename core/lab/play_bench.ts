import { join } from "@std/path";
import type { Gpu } from "../gpu/gpu.ts";
import { encodePng } from "../formats/png.ts";
import type { Image } from "../formats/image.ts";
import { leastSquaresLine, pearson } from "../metrics/spearman.ts";
import type { PlaySettings } from "../play/dream.ts";
import { actionOf, type Controls } from "../play/drivers.ts";
import { FRAME_SIDE } from "../play/frame_set.ts";
import { type PlayedFrame, Session } from "../play/session.ts";
import { openPlayed, openPlayedVae } from "../play/weights.ts";
import { encodeGif } from "../report/animation.ts";
import { contactSheet } from "../report/contact_sheet.ts";
import { type PlayFiles, readPlayed } from "./play_page.ts";

/** Keyframe that sessions without a browser begin at. */
export const FIRST_KEYFRAME = 4;

/** First frames of a bench, in which kernels are compiled. */
const WARM_UP = 5;

/** Scenes of the test part that contact sheets are drawn of. */
const CONTACT_SCENES = Array.from({ length: 10 }, (_, i) => 9000 + 7 * i);

/** How the wheel is held in contact sheets; null for the recorded drive. */
const HELD: Readonly<Record<string, number | null>> = {
  recorded: null,
  straight: 0,
  left: 0.3,
  right: -0.3,
};

/** Scene whose recorded drive is shown without WebGPU, and as animation. */
const SHOWN_SCENE = 9021;

/** Frames of the animation, and milliseconds of each. */
const FILMED = 40;
const FILM_FRAME_MS = 200;

/** Frames between two columns of a contact sheet. */
const EVERY = 5;

/** Opens what sessions dream by, and closes it with the returned stack. */
async function openParts(gpu: Gpu, files: PlayFiles) {
  using stack = new DisposableStack();
  const played = stack.use(
    await openPlayed(gpu, await readPlayed(files.model)),
  );
  const { vae } = stack.use(
    await openPlayedVae(gpu, await Deno.readFile(files.vae)),
  );
  const closing = stack.move();
  return {
    ...{ played, vae },
    [Symbol.dispose]: () => closing[Symbol.dispose](),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/**
 * Drives without a browser, as the page does.
 *
 * @param gpu device
 * @param files weights
 * @param options frames after a warm-up, scene, sampling
 * @returns a line with the speed, its parts, memory and adapter
 */
export async function benchPlay(
  gpu: Gpu,
  files: PlayFiles,
  { frames, scene, settings }: {
    readonly frames: number;
    readonly scene: number;
    readonly settings: PlaySettings;
  },
): Promise<string> {
  using parts = await openParts(gpu, files);
  const session = await Session.begin(gpu, parts, {
    ...{ scene, settings },
    start: FIRST_KEYFRAME,
    seed: 0,
  });
  const action = (i: number) =>
    actionOf({ wheel: 0.1 * Math.sin(i / 5), pedal: 0 });
  for (let i = 0; i < WARM_UP; i++) await session.step(action(i), true);
  const before = gpu.memory().bytes;
  const begin = performance.now();
  const times: PlayedFrame["times"][] = [];
  for (let i = 0; i < frames; i++) {
    times.push((await session.step(action(i))).times);
  }
  const seconds = (performance.now() - begin) / 1000;
  const grown = gpu.memory().bytes - before;
  const timed: PlayedFrame[] = [];
  for (let i = 0; i < 10; i++) timed.push(await session.step(action(i), true));
  const ms = (of: (frame: PlayedFrame) => number) =>
    median(timed.map(of)).toFixed(0);
  const half = (of: (time: PlayedFrame["times"]) => number) =>
    median(times.map(of)).toFixed(0);
  const { steps, guidance } = settings;
  return [
    `${
      (frames / seconds).toFixed(1)
    } frames/s over ${frames} frames, half of them within ${
      half(({ all }) => all)
    } ms`,
    `${steps} steps, guidance ${guidance}: truth ${
      half(({ truth }) => truth)
    } ms, sampler ${ms(({ times }) => times.sampler ?? NaN)} ms, decoder ${
      ms(({ times }) => times.decoder ?? NaN)
    } ms`,
    `memory grew by ${grown} bytes`,
    gpu.adapter,
  ].join("; ");
}

function imageOf(levels: ArrayLike<number>): Image {
  return {
    width: FRAME_SIDE,
    height: FRAME_SIDE,
    data: Uint8Array.from(levels),
  };
}

/** Frames of one drive without a browser. */
interface Drive {
  readonly scene: number;
  readonly held: string;
  readonly title: string;
  readonly frames: readonly PlayedFrame[];
  readonly first: Uint8Array;
}

/** A drive as recorded, or with the wheel held: straight, or in bends. */
async function heldDrive(
  gpu: Gpu,
  parts: Awaited<ReturnType<typeof openParts>>,
  scene: number,
  held: string,
  frames: number,
  settings: PlaySettings,
): Promise<Drive> {
  const session = await Session.begin(gpu, parts, {
    ...{ scene, settings },
    start: FIRST_KEYFRAME,
    seed: 0,
  });
  const played: PlayedFrame[] = [];
  const wheel = HELD[held] ?? null;
  const most = wheel === null
    ? session.truth!.recorded.states.length - 1 - FIRST_KEYFRAME
    : frames;
  for (let i = 0; i < Math.min(frames, most); i++) {
    if (wheel === null) {
      played.push(await session.step());
      continue;
    }
    // A bend of two seconds, then straight on: held for long, it is a circle.
    const isTurning = i % 12 >= 4 && i % 12 < 8;
    const controls: Controls = {
      wheel: isTurning ? wheel * (i % 24 < 12 ? 1 : -1) : 0,
      pedal: 0,
    };
    played.push(await session.step(actionOf(controls)));
  }
  const title = session.truth?.title ?? "";
  return { scene, held, title, frames: played, first: session.first };
}

/** Mean of some numbers, or NaN of none. */
function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}

/** Heads of the table of distances. */
const TABLE_HEAD =
  "wheel,frame,drives,cosSim,frozenCosSim,pixelError,steeringCorrelation,steeringSlope";

/** Frames at which distances are tabled. */
const MEASURED_AT = [1, 2, 4, 8, 12, 16, 20, 30, 40, 50, 60];

/** Frames whose distances the page tells: after 0.5, 2, 5 and 15 seconds. */
const TOLD_AT = [1, 4, 10, 30];

/** Mean distances of all drives whose truth goes on, at some frames. */
function limitsOf(drives: readonly Drive[]) {
  return TOLD_AT.flatMap((frame) => {
    const ends = drives.map(({ frames }) => frames[frame - 1])
      .filter((end) => end?.cosSim !== undefined);
    if (ends.length === 0) return [];
    return [{
      frame,
      drives: ends.length,
      cosSim: mean(ends.map((end) => end!.cosSim!)),
      frozenCosSim: mean(ends.map((end) => end!.frozenCosSim!)),
      pixelError: mean(ends.map((end) => end!.pixelError!)),
    }];
  });
}

/** Distances of all drives at some frames, and how the wheel is read back. */
function tableRows(
  name: string,
  drives: readonly Drive[],
  frames: number,
): string[] {
  const at = MEASURED_AT.filter((n) => n <= frames);
  const lines: string[] = [];
  for (const [i, n] of at.entries()) {
    const from = (at[i - 1] ?? 0) + 1;
    const some = drives.flatMap(({ frames }) => frames.slice(from - 1, n));
    const ends = drives.flatMap(({ frames }) => frames[n - 1] ?? [])
      .filter(({ cosSim }) => cosSim !== undefined);
    if (ends.length === 0) continue;
    const read = some.filter((frame) => frame.read !== undefined);
    const done = Float64Array.from(read, ({ action }) => action.steer);
    const seen = Float64Array.from(read, ({ read }) => read!.steer);
    lines.push([
      name,
      n,
      ends.length,
      mean(ends.map(({ cosSim }) => cosSim!)).toFixed(3),
      mean(ends.map(({ frozenCosSim }) => frozenCosSim!)).toFixed(3),
      mean(ends.map(({ pixelError }) => pixelError!)).toFixed(1),
      new Set(done).size > 1 ? pearson(done, seen).toFixed(3) : "",
      new Set(done).size > 1
        ? leastSquaresLine(done, seen).slope.toFixed(3)
        : "",
    ].join(","));
  }
  return lines;
}

/**
 * Drives ten scenes without a browser, each as recorded, straight, and in bends
 * to the left and to the right, and draws contact sheets: dream above truth.
 *
 * @param gpu device
 * @param files weights
 * @param options folder, frames of a drive, sampling
 */
export async function drawContacts(
  gpu: Gpu,
  files: PlayFiles,
  { directory, frames, settings }: {
    readonly directory: string;
    readonly frames: number;
    readonly settings: PlaySettings;
  },
): Promise<void> {
  await Deno.mkdir(directory, { recursive: true });
  using parts = await openParts(gpu, files);
  const drives: Drive[] = [];
  for (const scene of CONTACT_SCENES) {
    const own: Drive[] = [];
    for (const held of Object.keys(HELD)) {
      own.push(await heldDrive(gpu, parts, scene, held, frames, settings));
    }
    drives.push(...own);
    const columns = Array.from(
      { length: Math.floor(frames / EVERY) },
      (_, i) => EVERY * (i + 1),
    );
    const images = (seen: readonly (ArrayLike<number> | undefined)[]) =>
      seen.map((levels) => levels === undefined ? null : imageOf(levels));
    const rows = own.flatMap(({ held, frames, first }) => [
      {
        label: `${held}, dream`,
        images: images([first, ...columns.map((n) => frames[n - 1]?.dream)]),
      },
      {
        label: `${held}, truth`,
        images: images([first, ...columns.map((n) => frames[n - 1]?.truth)]),
      },
    ]);
    const { image } = contactSheet(rows, ["0", ...columns.map(String)]);
    await Deno.writeFile(
      join(directory, `scene-${scene}.png`),
      encodePng(image),
    );
    console.log(`scene ${scene}, ${own[0]!.title}`);
  }
  const isRecorded = ({ held }: Drive) => HELD[held] === null;
  const table = [
    TABLE_HEAD,
    ...tableRows("recorded", drives.filter(isRecorded), frames),
    ...tableRows("held", drives.filter((one) => !isRecorded(one)), frames),
    "",
  ].join("\n");
  await Deno.writeTextFile(join(directory, "distances.csv"), table);
  const shown = drives.find((one) =>
    isRecorded(one) && one.scene === SHOWN_SCENE
  );
  await writeRecorded(directory, shown!, limitsOf(drives.filter(isRecorded)));
  console.log(table);
}

/** Writes a drive as the page plays it without WebGPU. */
async function writeRecorded(
  directory: string,
  { frames, scene, title }: Drive,
  limits: ReturnType<typeof limitsOf>,
): Promise<void> {
  const columns = frames.map(({ number }) => String(number));
  const { image } = contactSheet([
    { label: "dream", images: frames.map(({ dream }) => imageOf(dream)) },
    {
      label: "truth",
      images: frames.map(({ truth }) => truth ? imageOf(truth) : null),
    },
  ], columns);
  await Deno.writeFile(join(directory, "recorded.png"), encodePng(image));
  const pairs = frames.slice(0, FILMED).flatMap(({ dream, truth }) =>
    truth === undefined ? [] : [
      contactSheet([{ label: "", images: [dream, truth].map(imageOf) }], [
        "dream",
        "truth",
      ], 2).image,
    ]
  );
  await Deno.writeFile(
    join(directory, "drive.gif"),
    encodeGif(pairs, FILM_FRAME_MS),
  );
  const facts = frames.map(({ action, read, ...distance }) => ({
    steer: action.steer,
    accel: action.accel,
    cosSim: distance.cosSim ?? null,
    frozenCosSim: distance.frozenCosSim ?? null,
    pixelError: distance.pixelError ?? null,
    read: read?.steer ?? null,
  }));
  await Deno.writeTextFile(
    join(directory, "recorded.json"),
    `${
      JSON.stringify({
        scene,
        title,
        side: FRAME_SIDE,
        gap: 2,
        limits,
        frames: facts,
      })
    }\n`,
  );
}
