/**
 * Gradient of a convolution by its weights and bias, for subgroups.
 *
 *   dw(ky, kx, c, n) = sum_{b, oy, ox} dy(b, oy, ox, n)
 *                        x(b, oy sy - py + ky dy, ox sx - px + kx dx, c)
 *   db(n)            = sum_{b, oy, ox} dy(b, oy, ox, n)
 *
 * x: (B, sourceHeight, sourceWidth, C), dy: (B, gridHeight, gridWidth, N) in
 * whole texels; c: (parts, rows, N), rows the taps times C, then the row of db.
 * A pixel outside the image is zero.
 *
 * A workgroup is one subgroup and sums `lines` rows of pixels. Its lanes are
 * `across` columns of four n times lanes / across shelves; a lane owns the rows
 * of `quads` texels (tap, four c). Four pixels are taken at once: each lane
 * loads some of their texels of x, and a shuffle with a constant index hands
 * them to the columns of a shelf. Taps share a workgroup, so that few channels
 * fill it.
 *
 * @module
 */

import opaque from "./lib/opaque.wgsl" with { type: "text" };
import { epilogue, operand } from "./matmul.wgsl.ts";

/** One member of the family. */
export interface ConvWeightVariant {
  /** Lanes of the subgroup and of the workgroup. */
  readonly lanes: number;
  /** Lanes over the columns, a divisor of `lanes`. */
  readonly across: number;
  /** Texels of rows that a lane owns, 1 to 16. */
  readonly quads: number;
  /** Whether rows of the result are whole texels. */
  readonly wide: boolean;
  /** Where operands are read from. */
  readonly source: "texels" | "buffer";
}

/** Pixels that are taken at once. */
const STEPS = 4;

const AXES = ["x", "y", "z", "w"] as const;

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/**
 * Writes the kernel of one variant.
 *
 * Bindings: a (x), b (dy) and c.
 *
 * @param variant which member
 * @returns WGSL text without `lib/quotient.wgsl`
 */
export function convWeightKernel(variant: ConvWeightVariant): string {
  const { lanes, across, quads, source } = variant;
  const shelves = lanes / across;
  // A load holds (pixel, quad) slots, for all shelves side by side.
  const slots = lanes / shelves;
  const loads = range(Math.ceil(STEPS * quads / slots));
  const places = loads.map((load) =>
    `let place${load} = placeOf(${
      load * slots
    }u + lane / ${shelves}u, quad0 + (lane % ${shelves}u) * ${quads}u);`
  );
  const lines = loads.map((load) =>
    `let line${load} = lineOf(place${load}, sample, y);`
  );
  const reads = [
    ...loads.map((load) =>
      `let a${load} = loadA(line${load}, place${load}.x, x);`
    ),
    ...range(STEPS).map((step) =>
      `let b${step} = loadB(line, x + ${step}u, n4);`
    ),
  ];
  const sums = range(quads).flatMap((quad) =>
    AXES.map((axis, i) => {
      const terms = range(STEPS).map((step) => {
        const slot = step * quads + quad;
        return `subgroupShuffle(a${Math.floor(slot / slots)}.${axis}, shelf + ${
          slot % slots * shelves
        }u) * b${step}`;
      });
      return `c${quad}_${i} += ${terms.join(" + ")};`;
    })
  );
  return `// Gradient of a convolution by its weights and bias.
struct Params {
  rows: u32,
  columns: u32,
  quads: u32,
  lines: u32,
  perPart: u32,
  pitchA: u32,
  pitchB: u32,
  gridHeight: u32,
  gridWidth: u32,
  sourceHeight: u32,
  sourceWidth: u32,
  kernelWidth: u32,
  strideY: u32,
  strideX: u32,
  padY: u32,
  padX: u32,
  dilationY: u32,
  dilationX: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
${operand("a", 1, source)}
${operand("b", 2, source)}
${
    epilogue({
      bias: false,
      activation: "none",
      keepPre: false,
      wide: variant.wide,
      source,
    })
  }

${opaque}
const NOWHERE: u32 = 0xffffffffu;

// What a lane loads for four pixels: a texel c of the pixel that one of them
// meets through a tap.
struct Place {
  c: u32,
  y: i32,
  x: i32,
}

fn placeOf(slot: u32, first: u32) -> Place {
  let step = quotient(slot, ${quads}u);
  let quad = first + slot - step * ${quads}u;
  let tap = quotient(quad, params.pitchA);
  let tapY = quotient(tap, params.kernelWidth);
  let tapX = tap - tapY * params.kernelWidth;
  let isOwn = quad < params.quads && step < ${STEPS}u;
  return Place(
    select(NOWHERE, quad - tap * params.pitchA, isOwn),
    i32(tapY * params.dilationY) - i32(params.padY),
    i32(step * params.strideX + tapX * params.dilationX) - i32(params.padX),
  );
}

// First texel of the row of pixels that a place is in.
fn lineOf(place: Place, sample: u32, y: u32) -> u32 {
  let at = i32(y * params.strideY) + place.y;
  let isInside = place.c != NOWHERE && at >= 0 && at < i32(params.sourceHeight);
  let row = (sample * params.sourceHeight + u32(at)) * params.sourceWidth;
  return select(NOWHERE, row * params.pitchA + place.c, isInside);
}

fn loadA(line: u32, shift: i32, x: u32) -> vec4f {
  let at = i32(x * params.strideX) + shift;
  let isInside = line != NOWHERE && at >= 0 && at < i32(params.sourceWidth);
  return select(vec4f(), aAt(line + u32(at) * params.pitchA), isInside);
}

fn loadB(line: u32, x: u32, n4: u32) -> vec4f {
  let pixel = line * params.gridWidth + x;
  return select(
    vec4f(),
    bAt(pixel * params.pitchB + n4),
    x < params.gridWidth && n4 < params.pitchB,
  );
}

@compute @workgroup_size(${lanes})
fn product(
  @builtin(workgroup_id) group: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let shelf = lane / ${across}u;
  let quad0 = group.x * ${quads * shelves}u;
  let n4 = group.y * ${across}u + lane % ${across}u;
  ${places.join("\n  ")}
  ${
    range(quads).flatMap((quad) =>
      range(4).map((i) => `var c${quad}_${i} = vec4f();`)
    ).join("\n  ")
  }
  var total = vec4f();
  let gridWidth = opaque(params.gridWidth, group);
  let first = group.z * params.perPart;
  let last = min(first + params.perPart, params.lines);
  for (var line = first; line < last; line++) {
    let sample = quotient(line, params.gridHeight);
    let y = line - sample * params.gridHeight;
    ${lines.join("\n    ")}
    for (var x = 0u; x < gridWidth; x += ${STEPS}u) {
      ${[...reads, ...sums].join("\n      ")}
      total += (b0 + b1) + (b2 + b3);
    }
  }
  let own = quad0 + shelf * ${quads}u;
  ${
    range(quads).map((quad) =>
      `if (own + ${quad}u < params.quads) {${
        range(4).map((i) => `
    finish((own + ${quad}u) * 4u + ${i}u, n4, group.z, c${quad}_${i});`).join(
          "",
        )
      }
  }`
    ).join("\n  ")
  }
  if (own == 0u) {
    finish(params.quads * 4u, n4, group.z, total);
  }
}
`;
}
