/**
 * Times the WebGPU backends of other JavaScript libraries on a matrix product.
 * They are no dependency of the project: a peer that is not installed is
 * reported as missing.
 *
 * @module
 */

/** A peer's time. */
export interface PeerRow {
  /** Package. */
  readonly name: string;
  /** Milliseconds of one product of 1024 x 1024 matrices, best of five. */
  readonly ms: number | undefined;
  /** How many times faster this project is. */
  readonly ratio: number | undefined;
}

const N = 1024;

/** One repetition, which waits for its result. */
type Repetition = () => Promise<unknown>;

interface TfTensor {
  data(): Promise<unknown>;
  dispose(): void;
}

interface Tf {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  randomNormal(shape: number[]): TfTensor;
  matMul(a: TfTensor, b: TfTensor): TfTensor;
}

interface JaxArray {
  readonly ref: JaxArray;
  blockUntilReady(): Promise<unknown>;
}

interface Jax {
  init(device: string): Promise<unknown>;
  defaultDevice(device: string): unknown;
  readonly numpy: {
    ones(shape: number[]): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
  };
}

interface Ort {
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: { executionProviders: string[] },
    ): Promise<{ run(feeds: Record<string, unknown>): Promise<unknown> }>;
  };
  readonly Tensor: new (
    type: string,
    data: Float32Array,
    shape: number[],
  ) => unknown;
}

async function tfjs(): Promise<Repetition> {
  const tf = await import(
    String("npm:@tensorflow/tfjs-core@4.22.0")
  ) as unknown as Tf;
  await import(String("npm:@tensorflow/tfjs-backend-webgpu@4.22.0"));
  await tf.setBackend("webgpu");
  await tf.ready();
  const a = tf.randomNormal([N, N]);
  const b = tf.randomNormal([N, N]);
  return async () => {
    const c = tf.matMul(a, b);
    await c.data();
    c.dispose();
  };
}

async function jax(): Promise<Repetition> {
  const jax = await import(String("npm:@jax-js/jax@0.1.25")) as unknown as Jax;
  await jax.init("webgpu");
  jax.defaultDevice("webgpu");
  const a = jax.numpy.ones([N, N]);
  const b = jax.numpy.ones([N, N]);
  return async () => {
    const c = jax.numpy.matmul(a.ref, b.ref);
    await c.blockUntilReady();
  };
}

async function onnx(): Promise<Repetition> {
  const ort = await import(
    String("npm:onnxruntime-web@1.23.0/webgpu")
  ) as unknown as Ort;
  const session = await ort.InferenceSession.create(matmulModel(), {
    executionProviders: ["webgpu"],
  });
  const x = new ort.Tensor("float32", new Float32Array(N * N).fill(1), [N, N]);
  return () => session.run({ a: x, b: x });
}

/** An ONNX model with one MatMul node, as protocol buffer bytes. */
function matmulModel(): Uint8Array {
  const field = (number: number, payload: readonly number[]) => [
    number * 8 + 2,
    ...varint(payload.length),
    ...payload,
  ];
  const number = (id: number, value: number) => [id * 8, ...varint(value)];
  const text = (value: string) => [...new TextEncoder().encode(value)];
  const value = (name: string) => {
    const dims = [N, N].flatMap((n) => field(1, number(1, n)));
    const tensor = [...number(1, 1), ...field(2, dims)];
    return [...field(1, text(name)), ...field(2, field(1, tensor))];
  };
  const node = [
    ...field(1, text("a")),
    ...field(1, text("b")),
    ...field(2, text("c")),
    ...field(4, text("MatMul")),
  ];
  const graph = [
    ...field(1, node),
    ...field(2, text("g")),
    ...field(11, value("a")),
    ...field(11, value("b")),
    ...field(12, value("c")),
  ];
  const opset = number(2, 13);
  return Uint8Array.from([
    ...number(1, 8),
    ...field(7, graph),
    ...field(8, opset),
  ]);
}

function varint(value: number): number[] {
  return value < 128
    ? [value]
    : [value % 128 + 128, ...varint(Math.floor(value / 128))];
}

const PEERS: Readonly<Record<string, () => Promise<Repetition>>> = {
  "tfjs webgpu": tfjs,
  "jax-js webgpu": jax,
  "onnxruntime-web webgpu": onnx,
};

/**
 * Times every peer that can be loaded.
 *
 * @param ownMs this project's time for the same product
 */
export async function peerRows(ownMs: number | undefined): Promise<PeerRow[]> {
  const rows: PeerRow[] = [];
  for (const [name, load] of Object.entries(PEERS)) {
    try {
      const run = await load();
      let ms = Infinity;
      for (let i = 0; i < 6; i++) {
        const start = performance.now();
        await run();
        if (i > 0) ms = Math.min(ms, performance.now() - start);
      }
      const ratio = ownMs === undefined ? undefined : ms / ownMs;
      rows.push({ name, ms, ratio });
      console.log(
        `${name.padEnd(26)} ${ms.toFixed(2).padStart(9)} ms, ${
          ratio?.toFixed(1) ?? "?"
        } times slower`,
      );
    } catch (error) {
      rows.push({ name, ms: undefined, ratio: undefined });
      const reason = error instanceof Error ? error.message : String(error);
      console.log(`${name.padEnd(26)} did not run: ${reason.split("\n")[0]}`);
    }
  }
  return rows;
}
