import { assertEquals, assertThrows } from "@std/assert";
import { z } from "zod";
import { joinValues, unknownOption } from "../../core/experiment/arguments.ts";
import {
  parseCommand,
  positiveInteger,
  positiveNumber,
  seedNumber,
} from "../../core/experiment/command.ts";
import { UsageError } from "../../core/experiment/flags.ts";

Deno.test("joinValues ties a value that begins with a dash to its flag, but no flag", () => {
  const join = (...args: string[]) => joinValues(args, ["size", "out"]);
  assertEquals(join("--size", "-3", "a"), ["--size=-3", "a"]);
  assertEquals(join("--out", "-x y", "b"), ["--out=-x y", "b"]);
  assertEquals(join("--out", "--size", "4"), ["--out", "--size=4"]);
  assertEquals(join("--size=-3", "--out", ""), ["--size=-3", "--out="]);
  assertEquals(join("--fresh", "-3", "--out"), ["--fresh", "-3", "--out"]);
  assertEquals(join("--", "--size", "3"), ["--", "--size", "3"]);
});

Deno.test("unknownOption finds other names and single dashes as they were written", () => {
  const find = (...args: string[]) => unknownOption(args, ["size"]);
  assertEquals(find("a", "-", "--size=3", "--", "--sise"), undefined);
  assertEquals(find("--sise=3"), "--sise");
  assertEquals(find("-size", "3"), "-size");
  assertEquals(find("--size.x=3"), "--size.x");
  assertEquals(find("-3"), "-3");
});

const Options = z.strictObject({
  _: z.array(z.string()),
  samples: positiveInteger.default(1),
  seed: seedNumber.optional(),
  rate: positiveNumber.optional(),
  fast: z.boolean().default(false),
});

const parse = (...args: string[]) => parseCommand(Options, ["fast"], args);

Deno.test("parseCommand takes flags before, between and behind the words", () => {
  const wanted = { _: ["a", "b"], samples: 3, seed: 0, fast: true };
  assertEquals(parse("--samples", "3", "--seed=0", "--fast", "a", "b"), wanted);
  assertEquals(parse("a", "--fast", "--samples=3", "b", "--seed", "0"), wanted);
  assertEquals(parse("a", "b", "--seed", "0", "--samples", " 3 ", "--fast"), {
    ...wanted,
  });
});

Deno.test("parseCommand names the flag, what was got and what was needed", () => {
  const refused: [string[], string][] = [
    [["--samples", "-3"], "--samples -3: it needs a positive integer"],
    [["--samples=-3"], "--samples -3: it needs a positive integer"],
    [["--samples", "0"], "--samples 0: it needs a positive integer"],
    [["--samples", "2.5"], "--samples 2.5: it needs a positive integer"],
    [["--samples", "many"], "--samples many: it needs a positive integer"],
    [["--samples", "1e400"], "--samples 1e400: it needs a positive integer"],
    [["--samples", ""], '--samples "": it needs a value'],
    [["--samples", " "], '--samples " ": it needs a value'],
    [["--samples", "--fast"], '--samples "": it needs a value'],
    [["--seed", "-1"], "--seed -1: it needs an integer from 0"],
    [["--seed="], '--seed "": it needs a value'],
    [["--rate", "-1e-3"], "--rate -1e-3: it needs a number above 0"],
    [["--rate", "0"], "--rate 0: it needs a number above 0"],
  ];
  for (const [args, message] of refused) {
    assertThrows(() => parse(...args), UsageError, `Cannot use ${message}`);
  }
  const typo = "did you mean --samples?";
  for (const word of ["--sample", "--sampels=3", "-samples", "--samples.x"]) {
    assertThrows(() => parse(word), UsageError, typo);
  }
});
