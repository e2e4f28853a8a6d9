import { assert } from "@std/assert";
import type { Gpu } from "../../core/gpu/gpu.ts";
import { mul } from "../../core/ops/pointwise.ts";
import { sum } from "../../core/ops/reduce.ts";
import { backward } from "../../core/tensor/autograd.ts";
import { tensor } from "../../core/tensor/create.ts";
import { key } from "../../core/tensor/philox.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { type Array64, draw64 } from "./array64.ts";
import type { Case, OpCheck } from "./check_op.ts";

/** Elements of an input that are tried. */
const PLACES = 3;

/** Change that shows whether a result depends on an element. */
const CHANGE = 1e-2;

function kindOf(value: number): string {
  return Number.isFinite(value) ? "finite" : String(value);
}

function placesOf(length: number, seed: number): number[] {
  const stream = key("places", seed);
  const last = length - 1;
  const picked = Array.from(
    { length: PLACES - 1 },
    (_, i) => stream.integer(i, length),
  );
  return [...new Set([last, ...picked])];
}

/** Calls `run` on inputs one of which holds `value` at one place. */
function withValue<T>(
  inputs: readonly Array64[],
  input: number,
  place: number,
  value: number,
  run: () => T,
): T {
  const { data } = inputs[input]!;
  const before = data[place]!;
  data[place] = value;
  try {
    return run();
  } finally {
    data[place] = before;
  }
}

/**
 * Puts NaN and both infinities at places of every input and compares which
 * results are not finite with the definition; then puts NaN into the gradient
 * of a result, which must reach exactly the elements that this result
 * depends on.
 *
 * @throws {Error} naming the input, the place and the result
 */
export async function compareSpecialValues(
  gpu: Gpu,
  check: OpCheck,
  shapes: Case,
): Promise<void> {
  const inputs = shapes.shapes.map((shape, i) =>
    draw64(shape, i + 1, { ...shapes, ...shapes.draws?.[i] })
  );
  const upload = () =>
    inputs.map(({ data, shape }) => tensor(gpu, new Float32Array(data), shape));
  for (const [i, { data }] of inputs.entries()) {
    for (const place of placesOf(data.length, i)) {
      for (const value of [NaN, Infinity, -Infinity]) {
        const spreads = check.special === "spreads";
        if (spreads && !Number.isNaN(value)) continue;
        using _ = gpu.scope();
        const [wanted, y] = withValue(
          inputs,
          i,
          place,
          value,
          () => [check.oracle(...inputs), check.run(...upload())] as const,
        );
        const got = await y.read();
        const wrong = wanted.findIndex((wanted, j) =>
          spreads
            ? Number.isNaN(wanted) && !Number.isNaN(got[j]!)
            : kindOf(wanted) !== kindOf(got[j]!)
        );
        assert(
          wrong === -1,
          `${value} at ${place} of input ${i}: result ${wrong} is ${
            got[wrong]
          }, its definition ${wanted[wrong]}`,
        );
      }
    }
  }
  if (check.forwardOnly) return;
  await compareGradients(gpu, check, inputs, upload);
}

async function compareGradients(
  gpu: Gpu,
  check: OpCheck,
  inputs: readonly Array64[],
  upload: () => Tensor[],
): Promise<void> {
  const plain = check.oracle(...inputs);
  for (const result of placesOf(plain.length, 99)) {
    using _ = gpu.scope();
    const tensors = upload();
    tensors.forEach((x, i) => x.requiresGrad = !check.constants?.includes(i));
    const y = check.run(...tensors);
    const weights = new Float32Array(y.size).fill(1);
    weights[result] = NaN;
    backward(sum(mul(y, tensor(gpu, weights, y.shape))));
    for (const [i, x] of tensors.entries()) {
      if (!x.requiresGrad) continue;
      const got = await x.grad!.read();
      for (const place of placesOf(x.size, 7 + i).concat(0)) {
        const value = inputs[i]!.data[place]!;
        const depends = [value + CHANGE, value - CHANGE].some((moved) =>
          withValue(
            inputs,
            i,
            place,
            moved,
            () => check.oracle(...inputs)[result] !== plain[result],
          )
        );
        const isRight = Number.isNaN(got[place]!) === depends ||
          (check.special !== undefined && !depends);
        assert(
          isRight,
          `NaN in the gradient of result ${result}: that of ${place} of input ${i} is ${
            got[place]
          }, and the result ${depends ? "depends" : "does not depend"} on it`,
        );
      }
    }
  }
}
