import { assertEquals, assertRejects } from "@std/assert";
import { UsageError } from "../../core/experiment/flags.ts";
import { checkGiven } from "../../core/lab/given.ts";
import { type LabParams, labPresets } from "../../core/lab/params.ts";
import { testGpu } from "../support/gpu.ts";

// Written by PyTorch 1.13, by fixtures/torch/published.py.
const pathOf = (name: string) => `fixtures/torch/published/${name}.pt`;

async function check(
  files: Record<string, string>,
  params: Partial<LabParams> = {},
): Promise<string[]> {
  return await checkGiven(
    await testGpu(),
    { ...labPresets.smoke, ...params },
    files,
  );
}

Deno.test("checkGiven says what each file holds, and leaves nothing on the device", async () => {
  const gpu = await testGpu();
  const before = gpu.memory().live;
  const files = {
    direct: pathOf("smoke_direct"),
    diffusion: pathOf("smoke_diffusion"),
    mlp: pathOf("mlp"),
  };
  assertEquals(await check(files, { givenWeights: "average" }), [
    `direct of ${files.direct}, width 8, 1 blocks, average weights: not trained`,
    `diffusion of ${files.diffusion}, width 8, 1 blocks, average weights: not trained`,
    `mlp of ${files.mlp}, width 8, last weights: not trained`,
  ]);
  assertEquals(gpu.memory().live, before);
});

Deno.test("checkGiven says in one line why a file cannot be used", async () => {
  const sized = `Cannot use the world model of "${pathOf("direct")}"`;
  for (
    const [flag, name, reason, params] of [
      [
        "direct",
        "direct",
        `${sized}: horizon is 3, needed 4; tokens is 6, needed 16`,
      ],
      [
        "direct",
        "smoke_direct",
        "tokens is 16, needed 4; patch is 2, needed 4",
        {
          patch: 4,
        },
      ],
      ["direct", "smoke_direct", "its width 8 has no 3 equal heads", {
        heads: 3,
      }],
      ["direct", "smoke_diffusion", 'its mode is "diffusion", needed "direct"'],
      ["direct", "mlp", 'it has no "ema"'],
      [
        "direct",
        "mlp",
        "it is the MLP, needed the transformer; give it by --mlp",
        {
          givenWeights: "last",
        },
      ],
      [
        "mlp",
        "smoke_direct",
        "it is the transformer, needed the MLP; give it by --direct or --diffusion",
      ],
      ["diffusion", "missing", "there is no such file"],
      ["diffusion", "smoke_direct/", "there is no such file"],
    ] as const
  ) {
    const path = pathOf(name);
    const { message } = await assertRejects(
      () => check({ [flag]: path }, params),
      Error,
    );
    const start = `Cannot use "${path}" for --${flag}: `;
    assertEquals(message.slice(0, start.length), start);
    assertEquals(message.includes(reason), true, message);
    assertEquals(message.includes("\n"), false);
  }
  await assertRejects(
    () => check({ direct: pathOf("smoke_direct") }, { recipe: "both" }),
    UsageError,
    "Cannot use --direct with --recipe both: the file holds a model of one recipe; choose visible or paper",
  );
});
