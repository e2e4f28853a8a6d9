import { gatedAdd, modulate } from "../../core/ops/modulate.ts";
import { at, build64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";

checkOp("modulate", {
  run: modulate,
  oracle: (x, shift, scale) =>
    build64(x.shape, ([b = 0, t = 0, d = 0]) => {
      const row = Math.floor(t * shift.shape[1]! / x.shape[1]!);
      return at(x, [b, t, d]) * (1 + at(scale, [b, row, d])) +
        at(shift, [b, row, d]);
    }).data,
  cases: {
    "has one conditioning row per token": {
      shapes: [[2, 3, 8], [2, 3, 8], [2, 3, 8]],
    },
    "shares a conditioning row": { shapes: [[2, 6, 8], [2, 2, 8], [2, 2, 8]] },
    "accepts odd widths": { shapes: [[2, 6, 5], [2, 3, 5], [2, 3, 5]] },
  },
  tolerance: 5e-6,
});

checkOp("gatedAdd", {
  run: gatedAdd,
  oracle: (x, gate, branch) =>
    build64(x.shape, ([b = 0, t = 0, d = 0]) => {
      const row = Math.floor(t * gate.shape[1]! / x.shape[1]!);
      return at(x, [b, t, d]) + at(gate, [b, row, d]) * at(branch, [b, t, d]);
    }).data,
  cases: {
    "shares a gate among more tokens than one invocation adds": {
      shapes: [[2, 300, 4], [2, 1, 4], [2, 300, 4]],
    },
    "shares a gate": { shapes: [[2, 6, 8], [2, 2, 8], [2, 6, 8]] },
  },
  tolerance: 5e-6,
});
