import { key, normal, uniform } from "../../mod.ts";
import { checkOp } from "../support/check_op.ts";

const stream = key("self-test", 7);
const cases = {
  "agrees with the host": { shapes: [[3, 1001]] },
  "accepts one value": { shapes: [[1]] },
};

checkOp("uniform", {
  run: (x) => uniform(x.gpu, x.shape, stream),
  oracle: (x) => x.data.map((_, i) => stream.uniform(i)),
  cases,
  tolerance: 0, // the same bits
  forwardOnly: true,
});
checkOp("normal", {
  run: (x) => normal(x.gpu, x.shape, stream),
  oracle: (x) => x.data.map((_, i) => stream.normal(i)),
  cases,
  tolerance: 2e-6, // measured 4e-7
  forwardOnly: true,
});
