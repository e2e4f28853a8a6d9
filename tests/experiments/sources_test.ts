import { assert, assertEquals, assertThrows } from "@std/assert";
import { fromFileUrl, relative } from "@std/path";
import {
  digestModules,
  readSources,
  sourcesOf,
} from "../../core/experiment/sources.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));

/** A module as `deno info` describes it. */
interface ModuleInfo {
  readonly specifier: string;
  readonly dependencies?: readonly {
    readonly code?: { readonly specifier: string };
  }[];
}

/** Sources that a module runs, by Deno's own reading of them. */
async function ranBy(path: string): Promise<string[]> {
  const { stdout } = await new Deno.Command("deno", {
    cwd: root,
    args: ["info", "--json", path],
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: ModuleInfo[];
  };
  const by = new Map(modules.map((module) => [module.specifier, module]));
  const found = new Set([new URL(`../../${path}`, import.meta.url).href]);
  for (const one of found) {
    for (const { code } of by.get(one)?.dependencies ?? []) {
      if (code?.specifier.startsWith("file:")) found.add(code.specifier);
    }
  }
  return [...found].map((url) => relative(root, fromFileUrl(url)));
}

Deno.test("sourcesOf finds all that Deno runs of a module, and workers", async () => {
  const sources = await readSources(root);
  for (const path of ["core/lab/models.ts", "core/lab/columns.ts"]) {
    const wanted = (await ranBy(path)).filter((used) =>
      !/^core\/(experiment|report)\/|^vendor\//.test(used)
    );
    assert(wanted.length > 50, `${path} runs ${wanted.length} sources`);
    const url = new URL(`../../${path}`, import.meta.url).href;
    const found = new Set(sourcesOf(sources, [url]));
    assertEquals(wanted.filter((used) => !found.has(used)), []);
  }
  const lab = new URL("../../core/lab/lab.ts", import.meta.url).href;
  assert(sourcesOf(sources, [lab]).includes("core/data/frame_worker.ts"));
});

Deno.test("a metric trains nothing again, a model draws nothing again", async () => {
  const sources = await readSources(root);
  const digest = (path: string, changed: string) => {
    const digests = { ...sources.digests, [changed]: "other" };
    const url = new URL(`../../core/lab/${path}`, import.meta.url).href;
    return digestModules({ ...sources, digests }, [url]);
  };
  const decides = (changed: string, path: string) => {
    assert(changed in sources.digests, changed);
    return digest(path, changed) !== digest(path, "core");
  };
  assert(decides("core/metrics/kid.ts", "columns.ts"));
  assert(!decides("core/metrics/kid.ts", "models.ts"));
  assert(decides("kernels/softmax.wgsl", "models.ts"));
  assert(decides("core/models/dit_block.ts", "models.ts"));
  assert(!decides("core/models/dit_block.ts", "world.ts"));
  assert(decides("core/data/driveworld/driver.ts", "world.ts"));
});

Deno.test("sourcesOf refuses a module of elsewhere", async () => {
  const sources = await readSources(root);
  assertThrows(
    () => sourcesOf(sources, [import.meta.url]),
    TypeError,
    "Cannot digest the sources of tests/experiments/sources_test.ts",
  );
});

Deno.test("whoever makes artifacts in the lab says by which module", async () => {
  const folder = `${root}core/lab`;
  let makers = 0;
  for await (const { name } of Deno.readDir(folder)) {
    if (name === "lab.ts") continue; // adds its own to those of others
    const text = await Deno.readTextFile(`${folder}/${name}`);
    for (const { index } of text.matchAll(/artifacts\.make\(/g)) {
      makers++;
      const call = text.slice(index, index + 300);
      assert(call.includes("by: [import.meta.url"), `${name}: ${call}`);
    }
  }
  assert(makers > 0);
});
