import { rope } from "../../core/ops/rope.ts";
import { at, build64 } from "../support/array64.ts";
import { checkOp } from "../support/check_op.ts";

for (const pairing of ["neighbours", "halves"] as const) {
  const positions = [[0, 1, 2, 5, 7], [3, 0, 1, 1, 9]];
  checkOp(`rope over ${pairing}`, {
    run: (x) => rope(x, { positions, features: [4, 2], pairing }),
    oracle: (x) => {
      const d = x.shape[3]!;
      const angles = (t: number) => [
        positions[0]![t]!,
        positions[0]![t]! * 10_000 ** (-2 / 4),
        positions[1]![t]!,
        0,
      ];
      return build64(x.shape, ([b = 0, t = 0, h = 0, i = 0]) => {
        const pair = pairing === "halves" ? i % (d / 2) : Math.floor(i / 2);
        const first = pairing === "halves" ? pair : 2 * pair;
        const second = pairing === "halves" ? pair + d / 2 : first + 1;
        const angle = angles(t)[pair]!;
        const a = at(x, [b, t, h, first]);
        const c = at(x, [b, t, h, second]);
        return i === first
          ? a * Math.cos(angle) - c * Math.sin(angle)
          : c * Math.cos(angle) + a * Math.sin(angle);
      }).data;
    },
    cases: { "turns pairs of two axes": { shapes: [[2, 5, 3, 8]] } },
    tolerance: 5e-6,
  });
}
