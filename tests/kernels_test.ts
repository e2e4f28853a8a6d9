import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { SHARED_SMALL } from "../core/ops/tiles.ts";
import { attentionKernel } from "../kernels/attention.wgsl.ts";
import { conv2dKernel } from "../kernels/conv2d.wgsl.ts";
import { convNarrowKernel } from "../kernels/conv2d_narrow.wgsl.ts";
import { convWeightKernel } from "../kernels/conv2d_weight.wgsl.ts";
import { matmulKernel } from "../kernels/matmul.wgsl.ts";
import type { Tile } from "../kernels/tile.wgsl.ts";
import {
  winogradKernel,
  winogradWeightsKernel,
} from "../kernels/winograd.wgsl.ts";

const LANES = 16;

const EPILOGUE = {
  bias: true,
  activation: "none",
  keepPre: true,
  wide: false,
  source: "texels",
} as const;

const TILES: Readonly<Record<string, Tile>> = {
  shared: SHARED_SMALL,
  shuffle: { member: "shuffle", lanes: LANES, rows: 16 },
  turned: { member: "shuffle", lanes: LANES, rows: 16, turned: true },
};

/** Members of the generated families, by what they are. */
function generated(): Map<string, string> {
  const kernels = new Map<string, string>();
  for (const [name, tile] of Object.entries(TILES)) {
    const variant = { ...EPILOGUE, tail: true, tile };
    for (const transposeA of [false, true]) {
      for (const transposeB of [false, true]) {
        kernels.set(
          `matmul ${name} ${transposeA} ${transposeB}`,
          matmulKernel({ ...variant, transposeA, transposeB }),
        );
      }
    }
    if (name === "turned") continue;
    for (const pass of ["forward", "input", "weight"] as const) {
      kernels.set(`conv2d ${name} ${pass}`, conv2dKernel({ ...variant, pass }));
    }
  }
  for (const pass of ["forward", "query", "keyValue"] as const) {
    for (const member of ["shuffle", "direct"] as const) {
      const source = "texels";
      kernels.set(
        `attention ${member} ${pass}`,
        attentionKernel({ pass, member, texels: 4, lanes: LANES, source }),
      );
    }
  }
  const narrow = { quads: 2, run: 4, kernelWidth: 3, strideX: 1, dilationX: 1 };
  const own = { ...EPILOGUE, lanes: LANES };
  return kernels
    .set("conv2d_narrow", convNarrowKernel({ ...own, ...narrow }))
    .set("conv2d_weight", convWeightKernel({ ...own, across: 8, quads: 4 }))
    .set("winograd", winogradKernel({ ...own, tiles: LANES }))
    .set("winograd_weights", winogradWeightsKernel());
}

async function written(): Promise<Map<string, string>> {
  const kernels = new Map<string, string>();
  for (const folder of ["../kernels/", "../kernels/lib/"]) {
    const url = new URL(folder, import.meta.url);
    for await (const { name } of Deno.readDir(fromFileUrl(url))) {
      if (!name.endsWith(".wgsl")) continue;
      kernels.set(name, await Deno.readTextFile(new URL(name, url)));
    }
  }
  return kernels;
}

/**
 * Whether all that an expression is made of is the same number in a dispatch,
 * and some of it a field of Params.
 */
function isMereField(
  expression: string,
  values: ReadonlyMap<string, string>,
): boolean {
  if (/\bopaque\(/.test(expression)) return false;
  let open = expression;
  // Named values by what they are; those of loops and builtins have none.
  for (let depth = 0; depth < 8; depth++) {
    open = open.replace(
      /(?<![.\w])[a-z]\w*\b(?!\()/g,
      (name) => values.has(name) ? `(${values.get(name)})` : name,
    );
  }
  const names = open.replace(/\bparams\.\w+/g, "PARAM")
    .replace(/\b(min|max|u32|i32|f32|vec\w+)\(/g, "(");
  return names.includes("PARAM") && !/[a-z]\w*/.test(
    names.replace(/\b(0x[\da-f]+|\d+)[uif]?\b/g, ""),
  );
}

/** Loops from a constant to a mere field of Params. */
function openLoops(source: string): string[] {
  const code = source.replace(/\/\/.*$/gm, "");
  return code.split(/^fn /m).flatMap((body) => {
    const values = new Map(
      [...body.matchAll(/\blet (\w+)(?:: \w+)? = ([^;]+);/g)]
        .map(([, name = "", value = ""]) => [name, value] as const),
    );
    const loops = body.matchAll(
      /for \(var \w+(?:: \w+)? = ([^;]+); \w+ [<>]=? ([^;]+);/g,
    );
    return [...loops].filter(([, start = "", bound = ""]) =>
      /^(0x[\da-f]+|\d+)[uif]?$|^[A-Z][A-Z\d_]*$/.test(start.trim()) &&
      isMereField(bound, values)
    ).map(([loop]) => loop.replace(/\s+/g, " "));
  });
}

Deno.test("kernels have no loop from a constant to a mere field of Params", async () => {
  const kernels = [...await written(), ...generated()];
  assert(kernels.length > 40, `only ${kernels.length} kernels were found`);
  const loops = kernels.flatMap(([name, source]) =>
    openLoops(source).map((loop) => `${name}: ${loop}`)
  );
  assertEquals(
    loops,
    [],
    "Mesa compiles such kernels again at every dispatch: take the bound through opaque() of lib/opaque.wgsl",
  );
});

Deno.test("kernels check finds a mere field behind names and arithmetic", () => {
  const found = (text: string) => openLoops(`fn f() {\n${text}\n}`).length;
  assertEquals(found("for (var k = 0u; k < params.depth; k++) {"), 1);
  assertEquals(found("for (var k: u32 = 0u; k < params.depth; k += 4u) {"), 1);
  assertEquals(found("for (var k = FIRST; k < params.depth / 4u; k++) {"), 1);
  assertEquals(found("for (var k = 0u; k < min(params.a, 8u); k++) {"), 1);
  assertEquals(
    found(
      "let depth = params.depth;\nlet end = 4u * depth;\nfor (var k = 0u; k < end; k++) {",
    ),
    1,
  );
  assertEquals(found("for (var k = 0u; k < 8u; k++) {"), 0);
  assertEquals(found("for (var k = lane; k < params.depth; k++) {"), 0);
  assertEquals(found("for (var k = 0u; k < params.depth - m; k++) {"), 0);
  assertEquals(
    found(
      "let depth = opaque(params.depth, group);\nfor (var k = 0u; k < depth; k++) {",
    ),
    0,
  );
});
