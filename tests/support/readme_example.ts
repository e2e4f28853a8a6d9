import {
  Adam,
  backward,
  gelu,
  Gpu,
  key,
  Linear,
  mse,
  normal,
  parameters,
  Sequential,
  sum,
} from "../../mod.ts";

using gpu = await Gpu.open();
const model = new Sequential(new Linear(2, 64), gelu, new Linear(64, 1));
using weights = parameters(gpu, model, { seed: 0 });
const optimizer = new Adam(weights, { lr: 1e-2 });

for (let step = 0; step <= 100; step++) {
  using _ = gpu.scope(); // frees the step's tensors
  const x = normal(gpu, [256, 2], key("data", 0, step)); // (256, 2)
  const target = sum(x, [1], { keepAxes: true }); // (256, 1)
  const loss = mse(model.forward(x), target);
  backward(loss);
  optimizer.step();
  if (step % 20 === 0) console.log(step, await loss.item());
}
