import { Conv2d, GroupNorm } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Added to the variances of the autoencoders' norms. */
export const EPS = 1e-6;

/** The activation behind their norms. */
export const SILU = { activation: "silu" } as const;

/** GroupNorm, SiLU, 3x3 convolution, twice, beside a shortcut. */
export class ResnetBlock extends Module {
  /** `norm1` */
  readonly norm1: GroupNorm;
  /** `conv1` */
  readonly conv1: Conv2d;
  /** `norm2` */
  readonly norm2: GroupNorm;
  /** `conv2` */
  readonly conv2: Conv2d;
  /** 1x1, where the widths differ */
  readonly shortcut?: Conv2d;
  readonly #shortcutName: string;

  /**
   * Creates the block; its weights are drawn or loaded later.
   *
   * @param inputs channels that come in
   * @param outputs channels that go out
   * @param groups groups of the norms
   * @param shortcutName what the publisher calls the shortcut
   */
  constructor(
    inputs: number,
    outputs: number,
    groups: number,
    shortcutName: "conv_shortcut" | "nin_shortcut",
  ) {
    super();
    this.norm1 = new GroupNorm(groups, inputs, EPS);
    this.conv1 = new Conv2d(inputs, outputs, 3, { padding: 1 });
    this.norm2 = new GroupNorm(groups, outputs, EPS);
    this.conv2 = new Conv2d(outputs, outputs, 3, { padding: 1 });
    if (inputs !== outputs) this.shortcut = new Conv2d(inputs, outputs, 1);
    this.#shortcutName = shortcutName;
  }

  /** Its layers under the publisher's names. */
  protected override *members(): Generator<[name: string, member: unknown]> {
    for (const [name, member] of super.members()) {
      yield [name === "shortcut" ? this.#shortcutName : name, member];
    }
  }

  /**
   * Applies the block.
   *
   * @param x (B, height, width, inputs)
   * @returns (B, height, width, outputs)
   */
  forward(x: Tensor): Tensor {
    const h = this.conv1.forward(this.norm1.forward(x, SILU));
    const residual = this.shortcut?.forward(x) ?? x;
    return this.conv2.forward(this.norm2.forward(h, SILU), { residual });
  }
}
