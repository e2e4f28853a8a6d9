import { StandIn, StandInBlock } from "../../encoders/stand_in.ts";
import type { Gpu } from "../../gpu/gpu.ts";
import { normalWith } from "../../nn/init.ts";
import { Linear } from "../../nn/layers.ts";
import { Module } from "../../nn/module.ts";
import { Parameter } from "../../nn/parameter.ts";
import { concat, slice } from "../../ops/concat.ts";
import { gather } from "../../ops/gather.ts";
import { layerNorm } from "../../ops/layer_norm.ts";
import { abs, add, sub } from "../../ops/pointwise.ts";
import { mean } from "../../ops/reduce.ts";
import { noGrad } from "../../tensor/autograd.ts";
import { tensor } from "../../tensor/create.ts";
import type { Key } from "../../tensor/philox.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { drawFrames, framesOn } from "./frames.ts";
import type { Batch, Objective } from "./objective.ts";

/** Width and blocks of the predictor. */
const PREDICTOR = { width: 48, blocks: 2, heads: 4 };

/** Cells of a hidden block on the 4 x 4 grid, by the draw of the step. */
const HIDDEN = [[3, 3], [3, 4], [4, 3]] as const;

class Predictor extends Module {
  /** `inward`: (48, width) */
  readonly inward: Linear;
  /** `place`: (tokens, 48) */
  readonly place: Parameter;
  /** `mask`: (1, 1, 48), the token of what is hidden */
  readonly mask: Parameter;
  /** `blocks.0`, `blocks.1` */
  readonly blocks: readonly StandInBlock[];
  /** `outward`: (width, 48) */
  readonly outward: Linear;

  constructor({ config }: StandIn) {
    super();
    const { width: inner, blocks, heads } = PREDICTOR;
    const { side, patch, frames, tubelet, width } = config;
    const tokens = (side / patch) ** 2 * frames / tubelet;
    this.inward = new Linear(width, inner);
    this.place = new Parameter([tokens, inner], normalWith(0.02));
    this.mask = new Parameter([1, 1, inner], normalWith(0.02));
    this.blocks = Array.from(
      { length: blocks },
      () => new StandInBlock(inner, heads),
    );
    this.outward = new Linear(inner, width);
  }

  /** Tokens of what is hidden, from the visible ones. */
  forward(visible: Tensor, seen: Tensor, hidden: Tensor): Tensor {
    const shown = add(this.inward.forward(visible), gather(this.place, seen));
    const asked = add(gather(this.place, hidden), this.mask);
    const all = this.blocks.reduce(
      (x, block) => block.forward(x),
      concat([shown, asked], 1),
    );
    const [, start = 0] = seen.shape;
    const [, count = 0] = hidden.shape;
    return this.outward.forward(slice(all, 1, start, start + count));
  }
}

/** Tokens of each sample that are visible, and that are hidden. */
interface Masks {
  readonly seen: readonly (readonly number[])[];
  readonly hidden: readonly (readonly number[])[];
}

/** Hides a block of cells through all steps, elsewhere in each sample. */
function drawMasks(
  { config }: StandIn,
  streams: readonly Key[],
): Masks {
  const grid = config.side / config.patch;
  const steps = config.frames / config.tubelet;
  const [rows, columns] = HIDDEN[streams[0]!.integer(20, HIDDEN.length)]!;
  const isHidden = streams.map((stream) => {
    const top = stream.integer(21, grid - rows + 1);
    const left = stream.integer(22, grid - columns + 1);
    return (token: number) => {
      const row = Math.floor(token % grid ** 2 / grid) - top;
      const column = token % grid - left;
      return row >= 0 && row < rows && column >= 0 && column < columns;
    };
  });
  const tokens = Array.from({ length: steps * grid ** 2 }, (_, i) => i);
  return {
    seen: isHidden.map((test) => tokens.filter((token) => !test(token))),
    hidden: isHidden.map((test) => tokens.filter(test)),
  };
}

/** (B, n) indices; with `stride`, of rows of (B stride, ...). */
function indices(
  gpu: Gpu,
  lists: readonly (readonly number[])[],
  stride = 0,
): Tensor {
  const flat = lists.flatMap((list, i) => list.map((k) => k + i * stride));
  return tensor(gpu, Uint32Array.from(flat), [
    lists.length,
    lists[0]?.length ?? 0,
  ]);
}

/**
 * Stands in for V-JEPA 2: of a clip whose middle or side is hidden, the tokens
 * that the average of the encoder makes of the whole clip are predicted.
 *
 * Differs: one hidden block, and learned positions instead of rotary ones.
 *
 * Source: Bardes et al. 2024, equation 1; Assran et al. 2025.
 */
export class Predictive implements Objective {
  readonly heads: Predictor;
  readonly teacher: { readonly encoder: StandIn; readonly heads: Module };

  /**
   * Makes predictor and teacher.
   *
   * @param encoder that is trained, of clips
   */
  constructor(encoder: StandIn) {
    this.heads = new Predictor(encoder);
    this.teacher = {
      encoder: new StandIn(encoder.name, encoder.config),
      heads: new Predictor(encoder),
    };
  }

  /**
   * Mean absolute error of the hidden tokens, normalized each.
   *
   * @param encoder with its weights on the device
   * @param batch what it is trained on
   * @returns ()
   */
  loss(encoder: StandIn, { gpu, frames, streams }: Batch): Tensor {
    const { frames: length, width } = encoder.config;
    const drawn = drawFrames(frames, streams, length);
    const clips = framesOn(gpu, frames, drawn, length);
    const { seen, hidden } = drawMasks(encoder, streams);
    const tokens = encoder.embed(clips);
    const [batch = 0, count = 0] = tokens.shape;
    const rows = (x: Tensor) => x.reshape([batch * count, width]);
    const wanted = noGrad(() =>
      layerNorm(
        gather(
          rows(this.teacher.encoder.forward(clips)),
          indices(gpu, hidden, count),
        ),
        1e-6,
      )
    );
    const visible = encoder.transform(
      gather(rows(tokens), indices(gpu, seen, count)),
    );
    const got = this.heads.forward(
      visible,
      indices(gpu, seen),
      indices(gpu, hidden),
    );
    return mean(abs(sub(got, wanted)));
  }
}
