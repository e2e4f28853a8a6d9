// Makes an artifact step by step, for tests that kill it meanwhile or start
// several. Prints what it does, a line each: "begins", "goes on", "step I",
// what it is told, and "ends".
import { Artifacts } from "../../core/experiment/artifact.ts";
import { readJson, writeAtomic } from "../../core/experiment/run_directory.ts";
import { NO_SOURCES } from "./sources.ts";

const [root = "", steps = "", pace = "", locks = ""] = Deno.args;

// File systems whose locks do not work: they throw, or exclude nobody.
if (locks === "missing") {
  Deno.FsFile.prototype.tryLock = () => Promise.reject(new Error("ENOLCK"));
}
if (locks === "idle") {
  Deno.FsFile.prototype.tryLock = () => Promise.resolve(true);
}

interface State {
  readonly step: number;
  readonly values: number[];
}

const artifacts = new Artifacts({
  root,
  sources: NO_SOURCES,
  command: "test",
  adapter: () => `adapter ${Deno.pid}`,
  user: { experiment: "test", run: `${root}/${Deno.pid}`, begun: "" },
});
await artifacts.make({ kind: "model", spec: { steps } }, async (folder) => {
  const checkpoint = folder.scratch("checkpoint.json");
  const known = await readJson(checkpoint) as State | undefined;
  console.log(known === undefined ? "begins" : "goes on");
  const { step, values } = known ?? { step: 0, values: [1] };
  for (let i = step; i < Number(steps); i++) {
    values.push((values[i]! * 1_664_525 + 1_013_904_223) % 2 ** 32);
    await writeAtomic(checkpoint, JSON.stringify({ step: i + 1, values }));
    console.log(`step ${i}`);
    if (pace !== "blocks") await new Promise((go) => setTimeout(go, +pace));
    else if (i === 0) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 8000);
    }
  }
  await Deno.mkdir(folder.file("deep"), { recursive: true });
  const bytes = new Uint8Array(Uint32Array.from(values).buffer);
  await Deno.writeFile(folder.file("deep", "values.bin"), bytes);
  await writeAtomic(folder.file("loss.json"), "[1]\n");
  return { steps: values.length };
}, { log: (line) => console.log(line) });
console.log("ends");
