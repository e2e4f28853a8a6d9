import { patchify, unpatchify } from "../../core/ops/patchify.ts";
import { type Array64, at, build64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";

const exact = 2e-6; // of gradients; results are copies

/** Token s = i * columns + j holds values (c, r, q) of patch (i, j). */
function patches(x: Array64, patch: number): Float64Array {
  const [batch = 0, channels = 0, height = 0, width = 0] = x.shape;
  const columns = width / patch;
  return build64(
    [batch, (height / patch) * columns, channels * patch * patch],
    ([b = 0, s = 0, value = 0]) => {
      const c = Math.floor(value / (patch * patch));
      const r = Math.floor(value / patch) % patch;
      const q = value % patch;
      const i = Math.floor(s / columns);
      return at(x, [b, c, i * patch + r, (s % columns) * patch + q]);
    },
  ).data;
}

checkOp("patchify", {
  run: (x) => patchify(x, 2),
  oracle: (x) => patches(x, 2),
  cases: { "is channel-major": { shapes: [[2, 3, 4, 6]] } },
  tolerance: exact,
});

checkOp("unpatchify", {
  run: (x) => unpatchify(patchify(x, 4), 4, 8, 12),
  oracle: (x) => x.data.slice(),
  cases: { "undoes patchify": { shapes: [[2, 4, 8, 12]] } },
  tolerance: exact,
});
