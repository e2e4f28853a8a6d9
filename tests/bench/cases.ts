import {
  Adam,
  add,
  attention,
  backward,
  chunk,
  clipGradNorm,
  conv2d,
  Ema,
  gatedAdd,
  type Gpu,
  key,
  layerNorm,
  Linear,
  linear,
  matmul,
  modulate,
  Module,
  mse,
  MultiheadAttention,
  normal,
  Parameter,
  parameters,
  softmax,
  type Tensor,
} from "../../mod.ts";

/** One row of the benchmark. */
export interface BenchCase {
  /** Name, shared with the PyTorch side. */
  readonly name: string;
  /** Least speed relative to PyTorch that is asked for. */
  readonly atLeast: number;
  /** Speed relative to PyTorch that is aimed at. */
  readonly aim: number;
  /** Floating-point operations of one repetition, if they are the point. */
  readonly flops?: number;
  /** Allocates operands once and returns one repetition, which only records. */
  readonly prepare: (gpu: Gpu) => (() => void) | Promise<() => void>;
}

const draw = (gpu: Gpu, shape: number[], index: number) =>
  normal(gpu, shape, key("bench", 0, index));

/** A repetition of a forward pass, inside a scope. */
function forward(
  shapes: readonly number[][],
  run: (...inputs: Tensor[]) => Tensor,
): BenchCase["prepare"] {
  return (gpu) => {
    const inputs = shapes.map((shape, i) => draw(gpu, shape, i));
    return () => {
      using _ = gpu.scope();
      run(...inputs);
    };
  };
}

/** A repetition of forward and backward passes. */
function both(
  shapes: readonly number[][],
  run: (...inputs: Tensor[]) => Tensor,
): BenchCase["prepare"] {
  return (gpu) => {
    const inputs = shapes.map((shape, i) => {
      const x = draw(gpu, shape, i);
      x.requiresGrad = true;
      return x;
    });
    let w: Tensor | undefined;
    return () => {
      using scope = gpu.scope();
      for (const x of inputs) x.grad = undefined;
      const y = run(...inputs);
      w ??= scope.keep(normal(gpu, y.shape, key("bench", 1)));
      backward(y, w);
    };
  };
}

class Block extends Module {
  readonly attn: MultiheadAttention;
  readonly up: Linear;
  readonly down: Linear;
  readonly adalnLinear: Linear;

  constructor(width: number, heads: number) {
    super();
    this.attn = new MultiheadAttention(width, heads);
    this.up = new Linear(width, 4 * width);
    this.down = new Linear(4 * width, width);
    this.adalnLinear = new Linear(width, 6 * width);
  }

  forward(x: Tensor, condition: Tensor): Tensor {
    const [shiftA, scaleA, gateA, shiftM, scaleM, gateM] = chunk(
      this.adalnLinear.forward(condition),
      6,
    ) as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
    const a = modulate(layerNorm(x, 1e-5), shiftA, scaleA);
    const h = gatedAdd(x, gateA, this.attn.forward(a));
    const m = modulate(layerNorm(h, 1e-5), shiftM, scaleM);
    const mlp = this.down.forward(this.up.forward(m, { activation: "gelu" }));
    return gatedAdd(h, gateM, mlp);
  }
}

class Flat extends Module {
  readonly weight: Parameter = new Parameter([5_400_000], (values) => {
    values.fill(0.01);
  });
}

const GEMM = 2 * 1024 ** 3;

/** Every row of the table. */
export const cases: readonly BenchCase[] = [
  ...([["NN", {}], ["NT", { transposeB: true }], ["TN", {
    transposeA: true,
  }]] as const)
    .map(([name, options]) => ({
      name: `matmul 1024 ${name}`,
      atLeast: 0.6,
      aim: 1,
      flops: GEMM,
      prepare: forward(
        [[1024, 1024], [1024, 1024]],
        (a, b) => matmul(a, b, options),
      ),
    })),
  {
    name: "linear 256 to 1024 gelu",
    atLeast: 0.5,
    aim: 1,
    flops: 2 * 4096 * 256 * 1024,
    prepare: forward(
      [[4096, 256], [1024, 256], [1024]],
      (x, w, b) => linear(x, w, b, { activation: "gelu" }),
    ),
  },
  {
    name: "linear 1024 to 256",
    atLeast: 0.5,
    aim: 1,
    flops: 2 * 4096 * 256 * 1024,
    prepare: forward(
      [[4096, 1024], [256, 1024], [256]],
      (x, w, b) => linear(x, w, b),
    ),
  },
  {
    name: "conv 128 at 256 forward",
    atLeast: 0.55,
    aim: 1,
    flops: 2 * 256 * 256 * 9 * 128 * 128,
    prepare: forward(
      [[1, 256, 256, 128], [128, 128, 3, 3], [128]],
      (x, w, b) => conv2d(x, w, b, { padding: 1 }),
    ),
  },
  {
    name: "conv 128 at 256 both",
    atLeast: 0.4,
    aim: 1,
    flops: 6 * 256 * 256 * 9 * 128 * 128,
    prepare: both(
      [[1, 256, 256, 128], [128, 128, 3, 3], [128]],
      (x, w, b) => conv2d(x, w, b, { padding: 1 }),
    ),
  },
  ...([[35, 64, 96], [17, 192, 192], [8, 384, 384]] as const).map((
    [side, from, to],
  ) => ({
    name: `conv ${side} ${from} to ${to}`,
    atLeast: 0.35,
    aim: 0.7,
    flops: 2 * 8 * side * side * 9 * from * to,
    prepare: forward(
      [[8, side, side, from], [to, from, 3, 3], [to]],
      (x, w, b) => conv2d(x, w, b, { padding: 1 }),
    ),
  })),
  {
    name: "attention 1024 forward",
    atLeast: 1.1,
    aim: 2,
    flops: 4 * 4 * 1024 * 1024 * 64,
    prepare: forward(
      [[1, 1024, 4, 64], [1, 1024, 4, 64], [1, 1024, 4, 64]],
      attention,
    ),
  },
  {
    name: "attention 1024 both",
    atLeast: 0.8,
    aim: 2,
    flops: 4.5 * 4 * 4 * 1024 * 1024 * 64,
    prepare: both(
      [[1, 1024, 4, 64], [1, 1024, 4, 64], [1, 1024, 4, 64]],
      attention,
    ),
  },
  {
    // The floor of everything that reads and writes as much.
    name: "add 1 to 4096x1024",
    atLeast: 0,
    aim: 0,
    prepare: forward([[4096, 1024]], (x) => add(x, 1)),
  },
  {
    name: "softmax forward",
    atLeast: 0.2,
    aim: 0.5,
    prepare: forward([[4096, 1024]], softmax),
  },
  {
    name: "softmax both",
    atLeast: 0.2,
    aim: 0.5,
    prepare: both([[4096, 1024]], softmax),
  },
  {
    name: "layer norm forward",
    atLeast: 0.2,
    aim: 0.5,
    prepare: forward([[4096, 1024]], (x) => layerNorm(x, 1e-5)),
  },
  {
    name: "layer norm both",
    atLeast: 0.2,
    aim: 0.5,
    prepare: both([[4096, 1024]], (x) => layerNorm(x, 1e-5)),
  },
  {
    name: "adam clip ema 5.4M",
    atLeast: 0.5,
    aim: 1,
    prepare: (gpu) => {
      const store = parameters(gpu, new Flat());
      const optimizer = new Adam(store, { lr: 1e-4 });
      const ema = new Ema(store, 0.999);
      return () => {
        using _ = gpu.scope();
        for (const slot of store.slots) slot.hasGradient = true;
        clipGradNorm(store, 1);
        optimizer.step();
        ema.update();
      };
    },
  },
  {
    name: "dit block step",
    atLeast: 0.5,
    aim: 1,
    prepare: (gpu) => {
      const block = new Block(256, 4);
      const store = parameters(gpu, block);
      const optimizer = new Adam(store, { lr: 1e-4 });
      const x = draw(gpu, [4, 1024, 256], 0);
      const condition = draw(gpu, [4, 16, 256], 1);
      const target = draw(gpu, [4, 1024, 256], 2);
      return () => {
        using _ = gpu.scope();
        const loss = mse(block.forward(x, condition), target);
        backward(loss);
        clipGradNorm(store, 1);
        optimizer.step();
      };
    },
  },
];
