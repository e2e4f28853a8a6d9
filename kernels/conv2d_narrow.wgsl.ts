/**
 * Convolution to few channels, for subgroups, channels last.
 *
 *   y(b, oy, ox, n) = act( sum_{ky, kx, c} w(ky, kx, c, n)
 *                        x(b, oy sy - py + ky dy, ox sx - px + kx dx, c)
 *                      + bias(n) ) + residual(b, oy, ox, n)
 *
 * x: (B, sourceHeight, sourceWidth, C) in whole texels, w: (taps, C, N),
 * y, pre, residual: (B, gridHeight, gridWidth, N), bias: (N). A pixel outside the image
 * is zero. The gradient by the image of a convolution with steps of one pixel
 * is the same sum with the taps in opposite order.
 *
 * A lane computes all channels of `run` neighbouring pixels, so that one reading
 * of x serves several taps, and none is wasted on columns that do not exist as
 * in a tile of the matrix product. The lanes load the weights together, and
 * shuffles with a constant index hand each to all.
 *
 * @module
 */

import opaque from "./lib/opaque.wgsl" with { type: "text" };
import { type Epilogue, epilogue, operand } from "./matmul.wgsl.ts";

/** One member of the family. */
export interface ConvNarrowVariant extends Epilogue {
  /** Lanes of the subgroup and of the workgroup. */
  readonly lanes: number;
  /** Texels of a pixel of the result, 1 to 12. */
  readonly quads: number;
  /** Neighbouring pixels of a lane. */
  readonly run: number;
  /** Taps along x. */
  readonly kernelWidth: number;
  /** Step between results along x, in pixels. */
  readonly strideX: number;
  /** Step between taps along x, in pixels. */
  readonly dilationX: number;
}

const AXES = ["x", "y", "z", "w"] as const;

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/**
 * Writes the kernel of one variant.
 *
 * Bindings: a (x), b (w), c, and bias, pre and residual where the
 * variant has them.
 *
 * @param variant which member
 * @returns WGSL text without `lib/quotient.wgsl`, and without `lib/math.wgsl`,
 *   which activations need
 */
export function convNarrowKernel(variant: ConvNarrowVariant): string {
  const { lanes, quads, run, kernelWidth, source } = variant;
  const meets = (pixel: number, tap: number) =>
    pixel * variant.strideX + tap * variant.dilationX;
  const shifts = [
    ...new Set(
      range(run).flatMap((pixel) =>
        range(kernelWidth).map((tap) => meets(pixel, tap))
      ),
    ),
  ];
  const reads = [
    ...shifts.map((shift) =>
      `let x${shift} = select(vec4f(), aAt(start${shift} + c4), start${shift} != NOWHERE);`
    ),
    ...range(kernelWidth).flatMap((tap) =>
      range(Math.ceil(4 * quads / lanes)).map((load) =>
        `let w${tap}_${load} = bAt(weights${tap} + c4 * ${4 * quads}u + ${
          load * lanes
        }u + lane);`
      )
    ),
  ];
  const weight = (tap: number, quad: number, k: number) => {
    const slot = k * quads + quad;
    const name = `w${tap}_${Math.floor(slot / lanes)}`;
    const parts = AXES.map((axis) =>
      `subgroupShuffle(${name}.${axis}, shelf + ${slot % lanes}u)`
    );
    return `let v${tap}_${quad}_${k} = vec4f(${parts.join(", ")});`;
  };
  const sums = range(kernelWidth).flatMap((tap) =>
    range(quads).flatMap((quad) => [
      ...AXES.map((_, k) => weight(tap, quad, k)),
      ...range(run).map((pixel) => {
        const terms = AXES.map((axis, k) =>
          `x${meets(pixel, tap)}.${axis} * v${tap}_${quad}_${k}`
        );
        return `c${pixel}_${quad} += ${terms.join(" + ")};`;
      }),
    ])
  );
  const results = range(run).flatMap((pixel) =>
    range(quads).map((quad) => [pixel, quad] as const)
  );
  return `// Convolution to few channels.
struct Params {
  rows: u32,
  columns: u32,
  runs: u32,
  runsX: u32,
  pitchA: u32,
  gridHeight: u32,
  gridWidth: u32,
  sourceHeight: u32,
  sourceWidth: u32,
  kernelHeight: u32,
  strideY: u32,
  dilationY: u32,
  padY: i32,
  padX: i32,
  isTurned: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
${operand("a", 1, source)}
${operand("b", 2, source)}
${epilogue(variant)}

${opaque}
const NOWHERE: u32 = 0xffffffffu;

// First texel of a pixel of the image.
fn locate(sample: u32, y: i32, x: i32) -> u32 {
  let isInside = y >= 0 && y < i32(params.sourceHeight) && x >= 0 &&
    x < i32(params.sourceWidth);
  let line = sample * params.sourceHeight + u32(y);
  return select(
    NOWHERE,
    (line * params.sourceWidth + u32(x)) * params.pitchA,
    isInside,
  );
}

// First texel of the weights of a tap.
fn weightsOf(tapY: u32, tapX: u32) -> u32 {
  let tap = tapY * ${kernelWidth}u + tapX;
  let last = params.kernelHeight * ${kernelWidth}u - 1u;
  let own = select(tap, last - tap, params.isTurned != 0u);
  return own * params.pitchA * ${4 * quads}u;
}

@compute @workgroup_size(${lanes})
fn convolve(
  @builtin(workgroup_id) group: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  // A constant, but only the driver's compiler knows; see tile.wgsl.ts.
  let shelf = lane >> 5u;
  let kernelHeight = opaque(params.kernelHeight, group);
  let pitchA = opaque(params.pitchA, group);
  let run = (group.y * 65535u + group.x) * ${lanes}u + lane;
  let line = quotient(run, params.runsX);
  let sample = quotient(line, params.gridHeight);
  let y = line - sample * params.gridHeight;
  let x = (run - line * params.runsX) * ${run}u;
  let atX = i32(x * ${variant.strideX}u) - params.padX;
  ${
    results.map(([pixel, quad]) => `var c${pixel}_${quad} = vec4f();`)
      .join("\n  ")
  }
  for (var tapY = 0u; tapY < kernelHeight; tapY++) {
    let atY = i32(y * params.strideY + tapY * params.dilationY) - params.padY;
    ${
    shifts.map((shift) =>
      `let start${shift} = locate(sample, atY, atX + ${shift});`
    ).join("\n    ")
  }
    ${
    range(kernelWidth).map((tap) =>
      `let weights${tap} = weightsOf(tapY, ${tap}u);`
    ).join("\n    ")
  }
    for (var c4 = 0u; c4 < pitchA; c4++) {
      ${[...reads, ...sums].join("\n      ")}
    }
  }
  if (run >= params.runs) {
    return;
  }
  let first = line * params.gridWidth + x;
  ${
    range(quads).map((quad) => `let extra${quad} = addend(${quad}u);`).join(
      "\n  ",
    )
  }
  ${
    range(run).map((pixel) =>
      `if (x + ${pixel}u < params.gridWidth) {${
        range(quads).map((quad) => `
    finish(first + ${pixel}u, ${quad}u, 0u, c${pixel}_${quad} + extra${quad});`)
          .join("")
      }
  }`
    ).join("\n  ")
  }
}
`;
}
