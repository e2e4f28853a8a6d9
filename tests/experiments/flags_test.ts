import { assertEquals, assertThrows } from "@std/assert";
import { parseFlags, UsageError } from "../../core/experiment/flags.ts";
import { labParams, labPresets } from "../../core/lab/params.ts";

function parse(...args: string[]) {
  const files = { vae: "weights" };
  return parseFlags(labParams, labPresets, files, args);
}

Deno.test("parseFlags takes values with and without =, signs, blanks and exponents", () => {
  const { params, flags } = parse(
    ...["--samples", "1e3", "--batch=8", "--lr-mlp", " 0.5", "--seeds", "3,1"],
    ...["--size", "64", "--size", "128", "--data", "-x", "--fresh"],
    ...["--learned-frequencies", "--ema-warmup", "false", "--vae=a b"],
  );
  assertEquals([params.samples, params.batch, params.size], [1000, 8, 128]);
  assertEquals([params.lrMlp, params.seeds], [0.5, [3, 1]]);
  assertEquals([params.learnedFrequencies, params.emaWarmup], [true, false]);
  assertEquals([flags.data, flags.fresh, flags.files.vae], ["-x", true, "a b"]);
});

Deno.test("parseFlags names the flag, what was got and what was needed", () => {
  const cases: readonly (readonly [args: string[], message: string])[] = [
    [
      ["--samples", "-3"],
      "Cannot use --samples -3: Too small: expected number",
    ],
    [["--samples=-3"], "Cannot use --samples -3: Too small: expected number"],
    [["--samples", "NaN"], "Cannot use --samples NaN: Invalid input: expected"],
    [["--guidance", "Infinity"], "Cannot use --guidance Infinity: Invalid"],
    [["--guidance", "-Infinity"], "Cannot use --guidance -Infinity: Invalid"],
    [["--samples", "3 4"], "Cannot use --samples 3 4: Invalid input: expected"],
    [["--samples"], "Cannot use --samples: it needs a value"],
    [["--samples", "--fresh"], "Cannot use --samples: it needs a value"],
    [["--samples", ""], "Cannot use --samples: it needs a value"],
    [["--samples", " "], 'Cannot use --samples " ": it needs a value'],
    [["--data="], "Cannot use --data: it needs a value"],
    [["--seeds", "1,,2"], "Cannot use --seeds 1,,2: Invalid input: expected"],
    [["--seeds", "1,2,"], "Cannot use --seeds 1,2,: Invalid input: expected"],
    [["--seeds", "0,-1"], "Cannot use --seeds 0,-1: Too small"],
    [["--seeds", "1,1"], "Cannot use --seeds 1,1: it needs each seed once"],
    [["--seeds", "0,", "2"], 'Cannot understand "2": options begin with --'],
    [["--fresh=no"], "Cannot use --fresh=no: it takes no value"],
    [["--ema-warmup", "5"], "Cannot use --ema-warmup 5: Invalid input"],
    [
      ["--samples.x", "3"],
      "Cannot understand --samples.x: did you mean --samp",
    ],
    [["-3"], "Cannot understand -3: did you mean"],
    [["--patch", "3"], "Cannot use --patch 3: it needs a divisor of 8"],
    [["--size", "60"], "Cannot use --size 60: it needs a multiple of 8"],
    [["--heads", "3"], "Cannot use --heads 3: it needs a divisor of --dim 64"],
    [["--dim", "17"], "Cannot use --dim 17: it needs an even number"],
    [["--ddim-steps", "7"], "Cannot use --ddim-steps 7: it needs a divisor of"],
  ];
  for (const [args, message] of cases) {
    assertThrows(() => parse(...args), UsageError, message);
  }
});
