// Writes checkpoints without end, for the test that kills it meanwhile.
import { writeSafetensors } from "../../core/formats/safetensors.ts";

const [path = ""] = Deno.args;
for (let step = 0;; step++) {
  const data = new Float32Array(2 ** 18).fill(step);
  await writeSafetensors(path, { x: { shape: [2 ** 18], data } }, {
    step: String(step),
  });
  if (step === 0) console.log("started");
}
