import { resize2d, type ResizeMode } from "../../core/ops/resize2d.ts";
import { at, build64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";

/** Weights of the inputs for output `o`, from the mode's definition. */
function weights(mode: ResizeMode, o: number, from: number, to: number) {
  if (from === to) return new Map([[o, 1]]);
  const last = from - 1;
  if (mode === "nearest") return new Map([[Math.floor(o * from / to), 1]]);
  const position = mode === "bilinear"
    ? Math.max((o + 0.5) * from / to - 0.5, 0)
    : o * from / to;
  const first = Math.min(Math.floor(position), last);
  const result = new Map([[first, 1 - (position - first)]]);
  const second = Math.min(first + 1, last);
  result.set(second, (result.get(second) ?? 0) + position - first);
  return result;
}

for (const mode of ["nearest", "bilinear", "tensorflow1"] as const) {
  for (const size of [[7, 9], [3, 4], [10, 4], [5, 6], [10, 12]] as const) {
    checkOp(`resize2d ${mode} to ${size.join(" x ")}`, {
      run: (x) => resize2d(x, size, mode),
      oracle: (x) => {
        const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
        return build64(
          [batch, ...size, channels],
          ([b = 0, oy = 0, ox = 0, c = 0]) => {
            let total = 0;
            for (const [y, wy] of weights(mode, oy, height, size[0])) {
              for (const [z, wz] of weights(mode, ox, width, size[1])) {
                total += wy * wz * at(x, [b, y, z, c]);
              }
            }
            return total;
          },
        ).data;
      },
      cases: {
        "maps pixels": { shapes: [[2, 5, 6, 3]] },
        "maps whole texels": { shapes: [[2, 5, 6, 8]] },
      },
      tolerance: 5e-6,
      // Neighbours are read with weight 0 where positions are whole.
      ...(mode === "tensorflow1" ? { special: "spreads" } : {}),
    });
  }
}
