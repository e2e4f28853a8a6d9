import math from "../../kernels/lib/math.wgsl" with { type: "text" };
import nan from "../../kernels/lib/nan.wgsl" with { type: "text" };
import type {
  Activation,
  Epilogue as EpilogueVariant,
} from "../../kernels/matmul.wgsl.ts";
import type { Bindings } from "../gpu/shader.ts";
import type { Range } from "../gpu/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** What happens to the sums of a product before they are stored. */
export interface Epilogue {
  /** (columns), added to each row. */
  readonly bias?: Tensor | undefined;
  /** Applied to the sum. Default "none". */
  readonly activation?: Activation;
  /** Like the result, added to it. */
  readonly residual?: Tensor | undefined;
  /** Whether the sum before the activation is wanted too. Default false. */
  readonly keepPre?: boolean;
}

/**
 * Tells a kernel's variant which epilogue it has.
 *
 * @param epilogue what happens to the sums
 * @param columns of the result
 */
export function epilogueVariant(
  { bias, activation = "none", residual, keepPre = false }: Epilogue,
  columns: number,
): Omit<EpilogueVariant, "exact" | "source"> {
  return {
    bias: bias !== undefined,
    activation,
    keepPre,
    residual: residual !== undefined,
    wide: columns % 4 === 0,
  };
}

/**
 * WGSL that the activation of a variant calls.
 *
 * @param variant any with an activation
 */
export function activationSources(
  { activation }: Pick<EpilogueVariant, "activation">,
): readonly string[] {
  return activation === "none" ? [] : [math, nan];
}

/**
 * Leaves out what a variant does not bind.
 *
 * @param bindings all that the family can bind
 */
export function present(
  bindings: Readonly<Record<string, Range | undefined>>,
): Bindings {
  const entries = Object.entries(bindings);
  return Object.fromEntries(
    entries.filter((entry): entry is [string, Range] => entry[1] !== undefined),
  );
}
