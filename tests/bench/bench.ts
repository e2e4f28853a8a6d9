/**
 * Measures the operations against PyTorch on the CPU, in turns in one run:
 * `deno task bench [--filter TEXT] [--json FILE] [--rounds N] [--profile]`.
 *
 * Each turn records many repetitions and waits once; the fixed cost of the
 * wait is measured and taken off. The ratio is PyTorch's best turn by ours:
 * above 1 is faster than PyTorch.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { Gpu } from "../../mod.ts";
import { writeJson } from "../support/write_json.ts";
import { cases } from "./cases.ts";
import { networkCases } from "./network_cases.ts";
import { peerRows } from "./peers.ts";

/** A measured row. */
interface Row {
  readonly name: string;
  /** Milliseconds of one repetition, best turn. */
  readonly ms: number;
  /** The same for PyTorch; NaN where it is not installed. */
  readonly torchMs: number;
  /** torchMs / ms. */
  readonly ratio: number;
  readonly gflops: number | undefined;
  readonly atLeast: number;
  readonly aim: number;
}

const TURN_MS = 300;

const args = parseArgs(Deno.args, {
  string: ["filter", "json"],
  boolean: ["profile"],
});
const filter = String(args["filter"] ?? "");
/** Cases whose name holds one of these are run; "networks" is a group. */
const names = filter === "networks"
  ? networkCases.map(({ name }) => name)
  : filter.split(",");
const rounds = Number(args["rounds"] ?? 5);

/** PyTorch in a process of its own, or `undefined` where it is missing. */
async function startTorch() {
  const script = new URL("torch_peer.py", import.meta.url);
  try {
    const child = new Deno.Command("/usr/bin/python3", {
      args: [script.pathname],
      // PyTorch at its best: variables that pin its BLAS to an old core, or its
      // threads, stay here.
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const lines = child.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TransformStream(new LineSplitter())).getReader();
    const { value: about } = await lines.read();
    if (about === undefined) return undefined;
    const writer = child.stdin.getWriter();
    return {
      about,
      async time(name: string, repetitions: number) {
        await writer.write(
          new TextEncoder().encode(`${name}\t${repetitions}\n`),
        );
        return Number((await lines.read()).value ?? NaN);
      },
      async close() {
        await writer.close();
        await child.status;
      },
    };
  } catch {
    return undefined;
  }
}

class LineSplitter implements Transformer<string, string> {
  #rest = "";
  transform(
    chunk: string,
    controller: TransformStreamDefaultController<string>,
  ): void {
    const lines = (this.#rest + chunk).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) controller.enqueue(line);
  }
}

/** Milliseconds that a wait takes by itself. */
async function waitCost(gpu: Gpu): Promise<number> {
  let best = Infinity;
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    await gpu.sync();
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

async function measure(gpu: Gpu, run: () => void, repetitions: number) {
  const start = performance.now();
  for (let i = 0; i < repetitions; i++) run();
  await gpu.sync();
  return performance.now() - start;
}

using gpu = await Gpu.open({ profile: args["profile"] === true });
const torch = await startTorch();
console.log(
  `${gpu.adapter}, subgroup size ${gpu.subgroupSize}; ${
    torch?.about ?? "PyTorch is not installed, ratios are missing"
  }`,
);
console.log(
  `${"work".padEnd(26)}        ms   torch ms   ratio  at least   aim  GFLOP/s`,
);
const wait = await waitCost(gpu);
const rows: Row[] = [];
for (
  const { name, atLeast, aim, flops, prepare } of [
    ...cases,
    ...networkCases,
  ]
) {
  if (!names.some((text) => name.includes(text))) continue;
  let ms = Infinity;
  let torchMs = NaN;
  {
    using _ = gpu.scope();
    const run = await prepare(gpu);
    await measure(gpu, run, 1);
    const once = Math.max(0.1, (await measure(gpu, run, 3) - wait) / 3);
    const repetitions = Math.max(2, Math.ceil(TURN_MS / once));
    for (let round = 0; round < rounds; round++) {
      const total = await measure(gpu, run, repetitions);
      ms = Math.min(ms, (total - wait) / repetitions);
      if (torch !== undefined) {
        const theirs = await torch.time(name, repetitions);
        torchMs = torchMs <= theirs ? torchMs : theirs;
      }
    }
  }
  const ratio = torchMs / ms;
  const gflops = flops === undefined ? undefined : flops / ms / 1e6;
  rows.push({ name, ms, torchMs, ratio, gflops, atLeast, aim });
  console.log(
    [
      name.padEnd(26),
      ms.toFixed(2).padStart(9),
      torchMs.toFixed(2).padStart(10),
      ratio.toFixed(2).padStart(7),
      atLeast.toFixed(2).padStart(9),
      aim.toFixed(1).padStart(5),
      (gflops?.toFixed(0) ?? "").padStart(8),
      ratio >= atLeast ? "" : "  below",
    ].join(" "),
  );
}
await torch?.close();
if (gpu.profiler !== undefined) console.log(await gpu.profiler.table());

const peers = "peers".includes(filter) || filter.includes("matmul")
  ? await peerRows(rows.find((row) => row.name === "matmul 1024 NN")?.ms)
  : [];
const file = args["json"];
if (typeof file === "string" && file !== "") {
  const result = {
    date: new Date().toISOString(),
    adapter: gpu.adapter,
    subgroupSize: gpu.subgroupSize,
    torch: torch?.about ?? null,
    rows,
    peers,
  };
  await writeJson(file, result);
}
