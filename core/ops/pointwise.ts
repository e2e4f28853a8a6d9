import math from "../../kernels/lib/math.wgsl" with { type: "text" };
import nan from "../../kernels/lib/nan.wgsl" with { type: "text" };
import quotient from "../../kernels/lib/quotient.wgsl" with { type: "text" };
import source from "../../kernels/pointwise.wgsl" with { type: "text" };
import {
  type Activation,
  operand as operandOf,
} from "../../kernels/matmul.wgsl.ts";
import type { Gpu } from "../gpu/gpu.ts";
import { ceilDiv, flatGrid } from "../gpu/grid.ts";
import { defineShader, type Shader, shaderFamily } from "../gpu/shader.ts";
import { forwardOnly, record } from "../tensor/autograd.ts";
import { empty } from "../tensor/create.ts";
import {
  broadcastShapes,
  type Shape,
  showShape,
  sizeOf,
} from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  type ByOperand,
  OPERANDS,
  type Plan,
  planBroadcast,
} from "./broadcast_plan.ts";
import { sumTo } from "./reduce.ts";

/** A tensor, or a number that stands for one everywhere. */
export type Operand = Tensor | number;

/**
 * A pointwise operation in WGSL, over `vec4f` values: operands `x`, `y`, `z`,
 * numbers `p` and `q`, and `d`, the gradient of the result.
 */
interface Expression {
  /** The result. */
  readonly forward: string;
  /** Gradients by x, y and z; `undefined` where there is none. */
  readonly backward: readonly (string | undefined)[];
}

/** Every pointwise operation: its formula above its gradient. */
const TABLE = {
  add: { forward: "x + y", backward: ["d", "d"] },
  sub: { forward: "x - y", backward: ["d", "-d"] },
  mul: { forward: "x * y", backward: ["d * y", "d * x"] },
  div: { forward: "x / y", backward: ["d / y", "-d * x / (y * y)"] },
  // At a tie both get half, as in PyTorch.
  minimum: {
    forward: "smaller(x, y)",
    backward: ["throughLarger(d, -x, -y)", "throughLarger(d, -y, -x)"],
  },
  maximum: {
    forward: "larger(x, y)",
    backward: ["throughLarger(d, x, y)", "throughLarger(d, y, x)"],
  },
  where: {
    forward: "select(z, y, isTrue(x))",
    backward: [
      undefined,
      "select(vec4f(), d, isTrue(x))",
      "select(d, vec4f(), isTrue(x))",
    ],
  },
  // Adaptive layer normalization, Peebles & Xie 2023: x, scale y, shift z.
  modulate: {
    forward: "x * (1.0 + y) + z",
    backward: ["d * (1.0 + y)", "d * x", "d"],
  },
  gatedAdd: { forward: "x + y * z", backward: ["d", "d * z", "d * y"] },
  // y is uniform on [0, 1), p the share that is dropped, q = 1 / (1 - p).
  dropout: {
    forward: "x * select(vec4f(), vec4f(q), y >= vec4f(p))",
    backward: ["d * select(vec4f(), vec4f(q), y >= vec4f(p))", undefined],
  },
  identity: { forward: "x", backward: ["d"] },
  neg: { forward: "-x", backward: ["-d"] },
  exp: { forward: "exp(x)", backward: ["d * exp(x)"] },
  log: { forward: "log(x)", backward: ["d / x"] },
  sqrt: { forward: "sqrt(x)", backward: ["0.5 * d * inverseSqrt(x)"] },
  rsqrt: {
    forward: "inverseSqrt(x)",
    backward: ["-0.5 * d * inverseSqrt(x) * inverseSqrt(x) * inverseSqrt(x)"],
  },
  tanh: {
    forward: "tanhAccurate(x)",
    backward: ["d * (1.0 - tanhAccurate(x) * tanhAccurate(x))"],
  },
  sin: { forward: "sinAccurate(x)", backward: ["d * cosAccurate(x)"] },
  cos: { forward: "cosAccurate(x)", backward: ["-d * sinAccurate(x)"] },
  sigmoid: {
    forward: "sigmoid(x)",
    backward: ["d * sigmoid(x) * sigmoid(-x)"],
  },
  relu: { forward: "relu(x)", backward: ["throughRelu(d, x)"] },
  silu: { forward: "silu(x)", backward: ["d * siluSlope(x)"] },
  gelu: { forward: "gelu(x)", backward: ["d * geluSlope(x)"] },
  geluTanh: { forward: "geluTanh(x)", backward: ["d * geluTanhSlope(x)"] },
  quickGelu: { forward: "quickGelu(x)", backward: ["d * quickGeluSlope(x)"] },
  abs: { forward: "abs(x)", backward: ["d * signOf(x)"] },
  // Powers of special exponents avoid pow(), which is undefined below 0.
  one: { forward: "vec4f(1.0)", backward: ["vec4f()"] },
  square: { forward: "x * x", backward: ["2.0 * d * x"] },
  reciprocal: { forward: "1.0 / x", backward: ["-d / (x * x)"] },
  evenPow: {
    forward: "evenPow(x, p)",
    backward: ["d * p * oddPow(x, p - 1.0)"],
  },
  oddPow: {
    forward: "oddPow(x, p)",
    backward: ["d * p * evenPow(x, p - 1.0)"],
  },
  realPow: {
    forward: "realPow(x, p)",
    backward: ["d * p * realPow(x, p - 1.0)"],
  },
  clamp: {
    forward: "clamped(x, vec4f(p), vec4f(q))",
    backward: ["select(vec4f(), d, isWithin(x, vec4f(p), vec4f(q)))"],
  },
} as const satisfies Record<string, Expression>;

/** Names of the table's operations. */
export type PointwiseName = keyof typeof TABLE;

/** Where an operand comes from. */
type Origin =
  /** Four elements of a texture or a buffer. */
  | "texels"
  | "buffer"
  /** One element, repeated. */
  | "scalar"
  /** The number p. */
  | "number"
  | "none";

const BINDINGS = { x: 1, y: 2, z: 3, d: 4 } as const;

type OperandName = keyof typeof BINDINGS;

/** One member of the family of pointwise kernels. */
interface PointwiseVariant {
  readonly expression: string;
  readonly origins: Readonly<Record<OperandName, Origin>>;
  /** Whether an invocation computes four elements. */
  readonly wide: boolean;
}

/** The shader of one expression over operands of given origins. */
const shaderOf = shaderFamily((
  { expression, origins, wide }: PointwiseVariant,
  name: string,
) => {
  const declarations: string[] = [];
  const values: string[] = [];
  for (const [operand, binding] of Object.entries(BINDINGS)) {
    const origin = origins[operand as OperandName];
    const index = operand === "d" ? "i" : `i${operand}`;
    if (origin === "texels" || origin === "buffer") {
      declarations.push(operandOf(operand, binding, origin));
      values.push(`${operand}At(${index})`);
    } else if (origin === "scalar") {
      declarations.push(
        `@group(0) @binding(${binding}) var<storage, read> ${operand}: array<f32>;`,
      );
      values.push(`vec4f(${operand}[${index}])`);
    } else {
      values.push(origin === "number" ? "vec4f(params.p)" : "vec4f()");
    }
  }
  const composed = `alias Elem = ${wide ? "vec4f" : "f32"};

${declarations.join("\n")}

fn apply(x: vec4f, y: vec4f, z: vec4f, d: vec4f, p: f32, q: f32) -> vec4f {
  return ${expression};
}

fn compute(i: u32, ix: u32, iy: u32, iz: u32) -> Elem {
  let value = apply(${values.join(", ")}, params.p, params.q);
  return value${wide ? "" : ".x"};
}`;
  const sources = [math, nan, quotient, source, composed];
  return defineShader(`pointwise_${name}`, sources);
});

/** Numbers p and q of an expression. */
interface Numbers {
  readonly p?: number;
  readonly q?: number;
}

/** An expression that is ready to be run. */
interface Prepared {
  readonly gpu: Gpu;
  readonly shader: Shader;
  readonly bindings: Readonly<Record<string, Tensor>>;
  readonly params: Readonly<Record<string, number>>;
  readonly plan: Plan;
}

/** One expression with all that it is computed from. */
interface Computation {
  readonly name: string;
  readonly expression: string;
  readonly operands: readonly Operand[];
  /** Broadcast shape of the operands. */
  readonly shape: Shape;
  readonly numbers: Numbers;
  /** Gradient of the result, for gradients. */
  readonly d?: Tensor;
}

/**
 * Finds out where operands come from and how they are walked.
 *
 * @param computation what is computed
 * @param guide index of an operand whose broadcast axes stay apart, read or not
 */
function prepare(computation: Computation, guide?: number): Prepared {
  const { name, expression, operands, shape, numbers, d } = computation;
  const words = new Set(expression.match(/\b[xyzd]\b/g) ?? []);
  const tensors: ByOperand<Tensor> = {};
  const walked: ByOperand<Tensor> = {};
  const origins: Record<OperandName, Origin> = {
    x: "none",
    y: "none",
    z: "none",
    d: "none",
  };
  let p = numbers.p ?? 0;
  OPERANDS.forEach((name, i) => {
    const operand = operands[i];
    if (operand === undefined) return;
    if (typeof operand === "number") {
      if (!words.has(name)) return;
      origins[name] = "number";
      p = operand;
      return;
    }
    if (words.has(name)) tensors[name] = operand;
    if (words.has(name) || i === guide) walked[name] = operand;
  });
  const first = Object.values(tensors)[0] ?? d ??
    operands.find((operand) => typeof operand !== "number");
  if (first === undefined || typeof first === "number") {
    throw new TypeError(`Cannot apply ${name}: it needs a tensor`);
  }
  const usesD = d !== undefined && words.has("d");
  const plan = planBroadcast(name, shape, walked);
  const vectors = first.gpu.operandSourceFor(sizeOf(shape));
  for (const operand of OPERANDS) {
    const steps = plan.steps[operand];
    if (steps === undefined || tensors[operand] === undefined) continue;
    origins[operand] = plan.wide && steps[3] !== 0 ? vectors : "scalar";
  }
  if (usesD) {
    origins.d = plan.wide ? vectors : "scalar";
  }
  const params: Record<string, number> = {
    count: plan.count,
    n1: plan.lengths[1],
    n2: plan.lengths[2],
    n3: plan.lengths[3],
    p,
    q: numbers.q ?? 0,
    chunk: 1,
    chunks: 1,
  };
  for (const operand of OPERANDS) {
    for (let axis = 0; axis < 4; axis++) {
      params[`${operand}${axis}`] = plan.steps[operand]?.[axis] ?? 0;
    }
  }
  return {
    gpu: first.gpu,
    shader: shaderOf({ expression, origins, wide: plan.wide }, name),
    bindings: { ...tensors, ...(usesD ? { d } : {}) },
    params,
    plan,
  };
}

/** Computes one expression over broadcast operands. */
function compute(computation: Computation): Tensor {
  const { gpu, shader, bindings, params, plan } = prepare(computation);
  const out = empty(gpu, computation.shape);
  shader.run(
    "run",
    { ...bindings, out },
    params,
    flatGrid(ceilDiv(plan.count, 64)),
    { knobs: { BROADCAST: plan.broadcast } },
  );
  return out;
}

/** Terms that one invocation adds. */
const CHUNK = 128;

/**
 * Computes one expression summed over the axes along which an operand was
 * broadcast: a gradient that is never stored in full where these axes are
 * neighbours and not the last.
 *
 * @param computation what is computed
 * @param target index of the operand
 * @returns the shape of the operand
 */
function computeSum(computation: Computation, target: number): Tensor {
  const operand = computation.operands[target];
  if (operand === undefined || typeof operand === "number") {
    throw new TypeError(`Cannot sum over a number`);
  }
  const { gpu, shader, bindings, params, plan } = prepare(computation, target);
  const [n0, n1, n2, n3] = plan.lengths;
  const steps = plan.steps[OPERANDS[target] ?? "x"] ?? [];
  const isMiddle = plan.wide && n2 > 1 && steps[2] === 0 && steps[3] !== 0 &&
    (n1 === 1 || steps[1] !== 0) && (n0 === 1 || steps[0] !== 0);
  if (!isMiddle) return sumTo(compute(computation), operand.shape);
  const chunks = ceilDiv(n2, CHUNK);
  const out = empty(gpu, [n0 * n1, chunks, 4 * n3]);
  const count = n0 * n1 * chunks * n3;
  shader.run(
    "sum",
    { ...bindings, out },
    { ...params, count, chunk: CHUNK, chunks },
    flatGrid(ceilDiv(count, 64)),
    { knobs: { BROADCAST: true } },
  );
  return sumTo(out, [n0 * n1, 1, 4 * n3]).reshape(operand.shape);
}

/**
 * Applies a row of the table and records its gradients.
 *
 * @param name the row
 * @param operands x, y and z, as many as the row has
 * @param numbers p and q
 */
export function pointwise(
  name: PointwiseName,
  operands: readonly Operand[],
  numbers: Numbers = {},
): Tensor {
  const { forward, backward }: Expression = TABLE[name];
  const tensors = operands.filter((operand) => typeof operand !== "number");
  for (const operand of operands) {
    if (typeof operand === "number" && !Number.isFinite(operand)) {
      throw new RangeError(
        `Cannot apply ${name}: number ${operand} must be finite`,
      );
    }
  }
  const wrong = tensors.find((operand) => operand.dtype !== "f32");
  if (wrong !== undefined) {
    throw new TypeError(
      `Cannot apply ${name}: dtype ${wrong.dtype}, needed f32`,
    );
  }
  const shape = broadcastShapes(
    name,
    ...tensors.map((operand) => operand.shape),
  );
  const whole = { name, expression: forward, operands, shape, numbers };
  return record(
    compute(whole),
    tensors,
    (d) =>
      operands.flatMap((operand, i) => {
        if (typeof operand === "number") return [];
        const expression = backward[i];
        if (expression === undefined || !operand.requiresGrad) {
          return [undefined];
        }
        if (expression === "d") return [sumTo(d, operand.shape)];
        const own = {
          ...whole,
          name: `${name}_d${OPERANDS[i]}`,
          expression,
          d,
        };
        return [
          operand.size === d.size
            ? compute(own).reshape(operand.shape)
            : computeSum(own, i),
        ];
      }),
  );
}

/** x + y, broadcast. */
export function add(x: Operand, y: Operand): Tensor {
  return pointwise("add", [x, y]);
}

/** x - y, broadcast. */
export function sub(x: Operand, y: Operand): Tensor {
  return pointwise("sub", [x, y]);
}

/** x y, broadcast. */
export function mul(x: Operand, y: Operand): Tensor {
  return pointwise("mul", [x, y]);
}

/** x / y, broadcast. */
export function div(x: Operand, y: Operand): Tensor {
  return pointwise("div", [x, y]);
}

/** The smaller of x and y, broadcast; at a tie both get half the gradient. */
export function minimum(x: Operand, y: Operand): Tensor {
  return pointwise("minimum", [x, y]);
}

/** The larger of x and y, broadcast; at a tie both get half the gradient. */
export function maximum(x: Operand, y: Operand): Tensor {
  return pointwise("maximum", [x, y]);
}

/**
 * Takes x where the condition is not 0 and y elsewhere, broadcast.
 *
 * @param condition tensor of zeros and other values; gets no gradient
 * @param x taken where the condition holds
 * @param y taken elsewhere
 */
export function where(condition: Tensor, x: Tensor, y: Tensor): Tensor {
  if (condition.requiresGrad) forwardOnly("where", condition, [condition]);
  return pointwise("where", [condition, x, y]);
}

/** -x. */
export function neg(x: Tensor): Tensor {
  return pointwise("neg", [x]);
}

/** e^x. */
export function exp(x: Tensor): Tensor {
  return pointwise("exp", [x]);
}

/** Natural logarithm; -Infinity at 0, NaN below. */
export function log(x: Tensor): Tensor {
  return pointwise("log", [x]);
}

/** Square root; NaN below 0. */
export function sqrt(x: Tensor): Tensor {
  return pointwise("sqrt", [x]);
}

/** 1 / sqrt(x). */
export function rsqrt(x: Tensor): Tensor {
  return pointwise("rsqrt", [x]);
}

/** Hyperbolic tangent. */
export function tanh(x: Tensor): Tensor {
  return pointwise("tanh", [x]);
}

/** Sine of radians; absolute error below 1e-6 up to 2^24, NaN beyond. */
export function sin(x: Tensor): Tensor {
  return pointwise("sin", [x]);
}

/** Cosine of radians; absolute error below 1e-6 up to 2^24, NaN beyond. */
export function cos(x: Tensor): Tensor {
  return pointwise("cos", [x]);
}

/** 1 / (1 + e^-x). */
export function sigmoid(x: Tensor): Tensor {
  return pointwise("sigmoid", [x]);
}

/** max(x, 0). */
export function relu(x: Tensor): Tensor {
  return pointwise("relu", [x]);
}

/** x sigmoid(x). */
export function silu(x: Tensor): Tensor {
  return pointwise("silu", [x]);
}

/** x Phi(x) with the normal distribution Phi: the exact, erf form. */
export function gelu(x: Tensor): Tensor {
  return pointwise("gelu", [x]);
}

/** The tanh approximation of gelu. */
export function geluTanh(x: Tensor): Tensor {
  return pointwise("geluTanh", [x]);
}

/** x sigmoid(1.702 x), as in OpenAI's CLIP. */
export function quickGelu(x: Tensor): Tensor {
  return pointwise("quickGelu", [x]);
}

/** |x|, with gradient 0 at 0. */
export function abs(x: Tensor): Tensor {
  return pointwise("abs", [x]);
}

/**
 * Raises to a power.
 *
 * @param x base; below 0 only for an integer exponent
 * @param exponent a finite number
 * @throws {RangeError} if the exponent is not finite
 */
export function pow(x: Tensor, exponent: number): Tensor {
  if (!Number.isFinite(exponent)) {
    throw new RangeError(
      `Cannot apply pow: exponent ${exponent} must be finite`,
    );
  }
  if (exponent === 0) return pointwise("one", [x]);
  if (exponent === 1) return pointwise("identity", [x]);
  if (exponent === 2) return pointwise("square", [x]);
  if (exponent === -1) return pointwise("reciprocal", [x]);
  if (exponent === 0.5) return sqrt(x);
  if (!Number.isInteger(exponent)) {
    return pointwise("realPow", [x], { p: exponent });
  }
  const name = exponent % 2 === 0 ? "evenPow" : "oddPow";
  return pointwise(name, [x], { p: exponent });
}

/**
 * Limits values to a range; the gradient is 0 outside.
 *
 * @param x any shape
 * @param low lower bound
 * @param high upper bound, at least `low`
 * @throws {RangeError} if the bounds are not ordered numbers
 */
export function clamp(x: Tensor, low: number, high: number): Tensor {
  if (!(low <= high)) {
    throw new RangeError(
      `Cannot apply clamp: bounds ${low} and ${high} must be ordered numbers`,
    );
  }
  return pointwise("clamp", [x], { p: low, q: high });
}

/**
 * Repeats along axes of length 1 and along new leading axes.
 *
 * @param x a shape that broadcasts to `shape`
 * @param shape shape of the result
 * @throws {RangeError} if it does not broadcast
 */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  const common = broadcastShapes("broadcastTo", x.shape, shape);
  if (showShape(common) !== showShape(shape)) {
    throw new RangeError(
      `Cannot apply broadcastTo: ${showShape(x.shape)} does not broadcast to ${
        showShape(shape)
      }`,
    );
  }
  const y = compute({
    name: "identity",
    expression: "x",
    operands: [x],
    shape,
    numbers: {},
  });
  return record(y, [x], (d) => [sumTo(d, x.shape)]);
}

/**
 * The gradient of a fused activation.
 *
 * @param activation which one, not "none"
 * @param pre its argument
 * @param dy gradient of its result
 */
export function activationGradient(
  activation: Exclude<Activation, "none">,
  pre: Tensor,
  dy: Tensor,
): Tensor {
  const [expression] = TABLE[activation].backward;
  return compute({
    name: `${activation}_dx`,
    expression,
    operands: [pre],
    shape: pre.shape,
    numbers: {},
    d: dy,
  });
}
