import { assert, assertEquals } from "@std/assert";
import type { Gpu } from "../../core/gpu/gpu.ts";
import { mul } from "../../core/ops/pointwise.ts";
import { sum } from "../../core/ops/reduce.ts";
import { backward } from "../../core/tensor/autograd.ts";
import { tensor } from "../../core/tensor/create.ts";
import { key } from "../../core/tensor/philox.ts";
import { type Shape, sizeOf } from "../../core/tensor/shape.ts";
import type { Tensor } from "../../core/tensor/tensor.ts";
import { type Array64, type Draw, draw64, worstError } from "./array64.ts";
import { testGpu } from "./gpu.ts";
import { compareSpecialValues } from "./special_values.ts";

/** Shapes and values of one case. */
export interface Case extends Draw {
  /** Shapes of the inputs. */
  readonly shapes: readonly Shape[];
  /** Draws of single inputs, by position. */
  readonly draws?: readonly (Draw | undefined)[];
  /** Tolerance of this case, if it differs. */
  readonly tolerance?: number;
}

/** An operation under test. */
export interface OpCheck {
  /** The operation. */
  readonly run: (...inputs: Tensor[]) => Tensor;
  /** Its definition in float64, with no thought for speed. */
  readonly oracle: (...inputs: Array64[]) => Float64Array;
  /** Cases by what they show: the end of a sentence that begins with the name. */
  readonly cases: Readonly<Record<string, Case>>;
  /** Largest error / (1 + |value|) of result and gradients. */
  readonly tolerance: number;
  /** Inputs, by position, that get no gradient. Default: none. */
  readonly constants?: readonly number[];
  /** Whether the operation has no gradient at all. */
  readonly forwardOnly?: boolean;
  /** The device, if not the shared one. */
  readonly gpu?: () => Promise<Gpu>;
  /** Step of the central differences. Default 1e-5. */
  readonly step?: number;
  /** Elements of an input whose gradient is compared. Default 24. */
  readonly samples?: number;
  /**
   * Which results NaN and infinity reach: those of the definition, or for NaN
   * more than those ("forward": in gradients only); "none" where an input is
   * not what the operation reads. Default "exact".
   */
  readonly special?: "exact" | "forward" | "spreads" | "none";
}

/** What a comparison found. */
export interface Errors {
  /** Largest error of the result. */
  readonly forward: number;
  /** Largest error of the gradients; 0 where there is none. */
  readonly backward: number;
}

/**
 * Compares an operation with its oracle, and its gradients with central
 * differences of the oracle.
 *
 * @throws {Error} if the operation leaks device memory
 */
export async function compareOp(
  gpu: Gpu,
  check: OpCheck,
  shapes: Case,
): Promise<Errors> {
  const inputs = shapes.shapes.map((shape, i) =>
    draw64(shape, i + 1, { ...shapes, ...shapes.draws?.[i] })
  );
  const before = gpu.memory().live;
  const forward = check.oracle(...inputs);
  let result: Errors;
  {
    using _ = gpu.scope();
    const tensors = inputs.map(({ data, shape }, i) => {
      const x = tensor(gpu, new Float32Array(data), shape);
      x.requiresGrad = !check.forwardOnly && !check.constants?.includes(i);
      return x;
    });
    const y = check.run(...tensors);
    assertEquals(y.size, forward.length, "number of elements");
    const error = worstError(await y.read() as Float32Array, forward);
    let gradient = 0;
    if (!check.forwardOnly) {
      const weights = draw64(y.shape, 99).data;
      const w = tensor(gpu, new Float32Array(weights), y.shape);
      backward(sum(mul(y, w)));
      for (const [i, x] of tensors.entries()) {
        if (!x.requiresGrad) continue;
        assert(x.grad !== undefined, `input ${i} has no gradient`);
        assertEquals(x.grad.shape, x.shape);
        const got = await x.grad.read() as Float32Array;
        const wanted = differences(check, inputs, i, weights);
        for (const [index, value] of wanted) {
          const worst = worstError([got[index]!], [value]);
          if (!(worst <= gradient)) gradient = worst;
        }
      }
    }
    result = { forward: error, backward: gradient };
  }
  assertEquals(gpu.memory().live, before, "live storages after the scope");
  return result;
}

/** Central differences of sum(oracle * weights) by sampled elements. */
function differences(
  check: OpCheck,
  inputs: readonly Array64[],
  input: number,
  weights: Float64Array,
): Map<number, number> {
  const { data } = inputs[input]!;
  const { samples = 24 } = check;
  const stream = key("samples", input);
  const picks = data.length <= samples
    ? data.keys()
    : Array.from({ length: samples }, (_, i) => stream.integer(i, data.length));
  const result = new Map<number, number>();
  for (const index of picks) {
    const value = data[index]!;
    const step = (check.step ?? 1e-5) * (1 + Math.abs(value));
    const side = (moved: number) => {
      data[index] = moved;
      const y = check.oracle(...inputs);
      data[index] = value;
      return y.reduce((total, y, i) => total + y * weights[i]!, 0);
    };
    result.set(index, (side(value + step) - side(value - step)) / (2 * step));
  }
  return result;
}

/** Every operation that was registered, for the self-test. */
export const registered: { name: string; check: OpCheck }[] = [];

/** Devices of the test of NaN and infinity, where an operation names none. */
const SOURCES: Readonly<Record<string, () => Promise<Gpu>>> = {
  " reading texels": () => testGpu({ operandSource: "texels" }),
  " reading buffers": () => testGpu({ operandSource: "buffer" }),
};

/**
 * Registers one test per case, and one of NaN and infinity for each name: none
 * where it tells a tile, which takes seconds to compile and changes no values.
 */
export function checkOp(name: string, check: OpCheck): void {
  const cases = Object.values(check.cases);
  const first = cases.find(({ shapes }) => sizeOf(shapes[0] ?? []) > 1) ??
    cases[0];
  const isFirst = registered.every((other) => other.name !== name);
  registered.push({ name, check });
  for (const [what, shapes] of Object.entries(check.cases)) {
    Deno.test(`${name} ${what}`, async () => {
      const gpu = await (check.gpu ?? testGpu)();
      const { forward, backward } = await compareOp(gpu, check, shapes);
      const tolerance = shapes.tolerance ?? check.tolerance;
      assert(
        forward <= tolerance && backward <= tolerance,
        `error ${forward.toExponential(1)}, of gradients ${
          backward.toExponential(1)
        }, tolerance ${tolerance}`,
      );
    });
  }
  if (check.special === "none" || / tile/.test(name)) return;
  if (first === undefined || !isFirst) return;
  const devices = check.gpu === undefined ? SOURCES : { "": check.gpu };
  for (const [suffix, gpu] of Object.entries(devices)) {
    Deno.test(`${name} carries NaN and infinity${suffix}`, async () => {
      await compareSpecialValues(await gpu(), check, first);
    });
  }
}
