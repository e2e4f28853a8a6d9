/**
 * Prints the WGSL of a kernel: `deno task kernel NAME [KNOBS]`.
 *
 * For the generated families matmul, conv2d, conv2d_narrow, conv2d_weight,
 * winograd and attention the knobs are the fields of their variant, such as
 * `--transposeB --activation gelu` or `--member shared`; for the others they
 * are the knobs that the file marks.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { setKnobs } from "../core/gpu/knobs.ts";
import { definedShaders } from "../core/gpu/shader.ts";
import { SHARED_LARGE } from "../core/ops/tiles.ts";
import { attentionKernel } from "../kernels/attention.wgsl.ts";
import { conv2dKernel } from "../kernels/conv2d.wgsl.ts";
import { convNarrowKernel } from "../kernels/conv2d_narrow.wgsl.ts";
import { convWeightKernel } from "../kernels/conv2d_weight.wgsl.ts";
import { matmulKernel } from "../kernels/matmul.wgsl.ts";
import type { Tile } from "../kernels/tile.wgsl.ts";
import { winogradKernel } from "../kernels/winograd.wgsl.ts";
import "../mod.ts";

const { _: [name], ...flags } = parseArgs(Deno.args, {
  boolean: ["transposeA", "transposeB", "bias", "keepPre"],
  string: ["activation", "member", "pass"],
});

const lanes = Number(flags["lanes"] ?? 16);
const isShared = flags["member"] === "shared" || flags["member"] === "direct";
const tile: Tile = isShared ? SHARED_LARGE : {
  member: "shuffle",
  lanes,
  rows: Number(flags["rows"] ?? 32),
};
const common = {
  bias: flags["bias"] === true,
  activation: (flags["activation"] || "none") as "none",
  keepPre: flags["keepPre"] === true,
  wide: true,
  tail: false,
  source: isShared ? "buffer" : "texels",
  tile,
} as const;

const families: Readonly<Record<string, () => string>> = {
  matmul: () =>
    matmulKernel({
      ...common,
      transposeA: flags["transposeA"] === true,
      transposeB: flags["transposeB"] === true,
    }),
  conv2d: () =>
    conv2dKernel({
      ...common,
      pass: (flags["pass"] || "forward") as "forward",
    }),
  conv2d_narrow: () =>
    convNarrowKernel({
      ...common,
      lanes,
      quads: Number(flags["quads"] ?? 3),
      run: Number(flags["run"] ?? 8),
      kernelWidth: 3,
      strideX: 1,
      dilationX: 1,
    }),
  conv2d_weight: () =>
    convWeightKernel({
      ...common,
      lanes,
      across: Number(flags["across"] ?? lanes),
      quads: Number(flags["quads"] ?? 16),
    }),
  winograd: () => winogradKernel({ ...common, lanes, tiles: lanes }),
  attention: () =>
    attentionKernel({
      pass: (flags["pass"] || "forward") as "forward",
      texels: Number(flags["texels"] ?? 16),
      member: isShared ? "direct" : "shuffle",
      lanes,
      source: common.source,
    }),
};

const shader = definedShaders().get(String(name));
const family = families[String(name)];
if (family !== undefined) {
  console.log(family());
} else if (shader !== undefined) {
  const knobs = Object.fromEntries(
    Object.entries(flags).filter(([knob]) => /^[A-Z]/.test(knob)),
  ) as Record<string, number | string>;
  console.log(setKnobs(shader.name, shader.source, knobs));
} else {
  const names = [...Object.keys(families), ...definedShaders().keys()];
  console.error(
    `Cannot print kernel "${name ?? ""}": there are ${names.join(", ")}`,
  );
  Deno.exit(1);
}
