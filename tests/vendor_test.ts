// The contract of the folders in vendor/: every line here holds for the
// packages of the same names too, so that the "links" of deno.json can go
// wherever those are reachable.
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  AssertionError,
  assertMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { parseArgs } from "@std/cli";
import { parse, stringify } from "@std/csv";
import {
  basename,
  dirname,
  extname,
  fromFileUrl,
  isAbsolute,
  join,
  relative,
  resolve,
  toFileUrl,
} from "@std/path";

/** Checks with nothing but the language that `fn` throws an AssertionError. */
function fails(fn: () => unknown): void {
  try {
    fn();
  } catch (error) {
    if (error instanceof AssertionError) return;
    throw error;
  }
  throw new Error("An assertion held that must not hold");
}

async function failsLater(fn: () => Promise<unknown>): Promise<void> {
  const error = await fn().then(() => undefined, (reason) => reason);
  if (!(error instanceof AssertionError)) {
    throw new Error("An assertion held that must not hold");
  }
}

Deno.test("assert accepts what is truthy and nothing else", () => {
  assert("text");
  fails(() => assert(0));
});

Deno.test("assertEquals compares arrays and records in depth", () => {
  assertEquals([1, { a: [2, 3] }], [1, { a: [2, 3] }]);
  fails(() => assertEquals([1, { a: [2, 3] }], [1, { a: [2, 4] }]));
  fails(() => assertEquals([1, 2], [1, 2, 3]));
  fails(() => assertEquals<unknown>({ a: 1 }, { a: 1, b: 2 }));
  fails(() => assertEquals<unknown>({ a: undefined }, { b: undefined }));
  fails(() => assertEquals<unknown>({ length: 0 }, []));
});

Deno.test("assertEquals compares typed arrays by kind and value", () => {
  assertEquals(new Float32Array([1, NaN]), new Float32Array([1, NaN]));
  assertEquals(
    new Float32Array([9, 1, 2]).subarray(1),
    new Float32Array([1, 2]),
  );
  fails(() => assertEquals(new Float32Array([1]), new Float32Array([2])));
  fails(() => assertEquals(new Float32Array(1), new Float32Array(2)));
  fails(() => assertEquals<unknown>(new Float32Array(1), new Float64Array(1)));
});

Deno.test("assertEquals takes numbers by value and NaN as equal to itself", () => {
  assertEquals(0, -0);
  assertEquals(NaN, NaN);
  fails(() => assertEquals<unknown>(1, "1"));
});

Deno.test("assertEquals compares sets and maps without their order", () => {
  assertEquals(new Set([1, 2]), new Set([2, 1]));
  assertEquals(new Map([[{ k: 1 }, [2]]]), new Map([[{ k: 1 }, [2]]]));
  fails(() => assertEquals(new Set([1, 2]), new Set([1, 3])));
  fails(() => assertEquals(new Map([["k", 1]]), new Map([["k", 2]])));
});

Deno.test("assertEquals puts its message into the error", () => {
  const error = assertThrows(() => assertEquals(1, 2, "count"), AssertionError);
  assertStringIncludes(error.message, "Values are not equal: count");
});

Deno.test("assertAlmostEquals has a relative tolerance unless told", () => {
  assertAlmostEquals(1.05, 1, 0.1);
  assertAlmostEquals(1e9 + 1, 1e9);
  assertAlmostEquals(Infinity, Infinity);
  fails(() => assertAlmostEquals(1.2, 1, 0.1));
  fails(() => assertAlmostEquals(1e-9, 2e-9));
  fails(() => assertAlmostEquals(NaN, 0, 1));
});

Deno.test("assertStrictEquals compares by identity", () => {
  const list = [1];
  assertStrictEquals(list, list);
  fails(() => assertStrictEquals([1], [1]));
  fails(() => assertStrictEquals(0, -0));
});

Deno.test("assertStringIncludes and assertMatch look into a text", () => {
  assertStringIncludes("one two", "two");
  assertMatch("one two", /^one\s/);
  fails(() => assertStringIncludes("one two", "three"));
  fails(() => assertMatch("one two", /^two/));
});

Deno.test("assertThrows returns the error after checking class and message", () => {
  const thrown = new RangeError("Cannot do it");
  const fn = () => {
    throw thrown;
  };
  assertStrictEquals(assertThrows(fn), thrown);
  assertStrictEquals(assertThrows(fn, RangeError, "do it"), thrown);
  assertStrictEquals(assertThrows(fn, Error), thrown);
  fails(() => assertThrows(fn, TypeError));
  fails(() => assertThrows(fn, RangeError, "do that"));
  fails(() => assertThrows(() => 1));
});

Deno.test("assertRejects resolves to the error after checking it", async () => {
  const thrown = new TypeError("Cannot wait");
  const fn = () => Promise.reject(thrown);
  assertStrictEquals(await assertRejects(fn), thrown);
  assertStrictEquals(await assertRejects(fn, TypeError, "wait"), thrown);
  await failsLater(() => assertRejects(fn, RangeError));
  await failsLater(() => assertRejects(() => Promise.resolve(1)));
  await failsLater(() =>
    assertRejects(() => {
      throw thrown;
    })
  );
});

Deno.test("parseArgs makes numbers of values unless they are declared text", () => {
  assertEquals<unknown>(
    parseArgs(["--seed", "3", "--lr=1e-4", "--id", "007", "x", "5"], {
      string: ["id"],
    }),
    { _: ["x", 5], seed: 3, lr: 1e-4, id: "007" },
  );
});

Deno.test("parseArgs takes a name without value as true", () => {
  assertEquals<unknown>(parseArgs(["--guard", "--typo", "3"]), {
    _: [],
    guard: true,
    typo: 3,
  });
});

Deno.test("parseArgs leaves the argument after a boolean alone", () => {
  assertEquals<unknown>(
    parseArgs(["--guard", "3"], { boolean: ["guard", "other"] }),
    { _: [3], guard: true, other: false },
  );
  assertEquals<unknown>(
    parseArgs(["--guard", "false"], { boolean: ["guard"] }),
    { _: [], guard: false },
  );
});

Deno.test("parseArgs negates what is negatable", () => {
  assertEquals<unknown>(parseArgs(["--no-ema"], { negatable: ["ema"] }), {
    _: [],
    ema: false,
  });
  assertEquals<unknown>(parseArgs(["--no-ema"]), { _: [], "no-ema": true });
});

Deno.test("parseArgs nests dotted names", () => {
  assertEquals<unknown>(parseArgs(["--x.y=4", "--x.z", "w"]), {
    _: [],
    x: { y: 4, z: "w" },
  });
});

Deno.test("parseArgs keeps what follows two dashes apart on request", () => {
  const args = ["a", "--", "--b", "7"];
  assertEquals<unknown>(parseArgs(args), { _: ["a", "--b", 7] });
  assertEquals<unknown>(parseArgs(args, { "--": true }), {
    _: ["a"],
    "--": ["--b", "7"],
  });
});

Deno.test("parseArgs takes the last of repeated values, or collects them", () => {
  assertEquals<unknown>(parseArgs(["--a", "1", "--a", "2"]), { _: [], a: 2 });
  assertEquals<unknown>(
    parseArgs(["--a", "1", "--a", "2"], { collect: ["a"] }),
    { _: [], a: [1, 2] },
  );
});

Deno.test("parseArgs fills defaults and aliases", () => {
  assertEquals<unknown>(
    parseArgs(["-s", "2"], { alias: { s: "seed" }, default: { steps: 9 } }),
    { _: [], s: 2, seed: 2, steps: 9 },
  );
});

Deno.test("parseArgs reads groups of letters and their values", () => {
  assertEquals<unknown>(parseArgs(["-ab", "-n5", "-x=1"]), {
    _: [],
    a: true,
    b: true,
    n: 5,
    x: 1,
  });
});

Deno.test("parseArgs cannot reach a prototype", () => {
  parseArgs(["--__proto__.polluted", "1"]);
  assertEquals(Reflect.get({}, "polluted"), undefined);
});

Deno.test("parse reads quotes, line ends of both kinds and a byte order mark", () => {
  assertEquals(
    parse('\ufeffa,"b, ""c""",\r\n"two\nlines", x ,3\n\nlast,,"'.slice(0, -1)),
    [["a", 'b, "c"', ""], ["two\nlines", " x ", "3"], ["last", "", ""]],
  );
  assertEquals(parse(""), []);
  assertThrows(() => parse('a,"b'), SyntaxError);
  assertThrows(() => parse('a,b"c'), SyntaxError);
});

Deno.test("stringify quotes where needed and ends rows with CRLF", () => {
  assertEquals(
    stringify([["a", 1.5, true], ['b "c"', "d,e", "two\nlines"], [null, ""]]),
    'a,1.5,true\r\n"b ""c""","d,e","two\nlines"\r\n,\r\n',
  );
});

Deno.test("parse returns what stringify was given", () => {
  const rows = [["", "x"], ['"', ","], ["\r\n", " y "]];
  assertEquals(parse(stringify(rows)), rows);
});

Deno.test("path functions take paths apart and join them", () => {
  assertEquals(basename("/runs/a/b.csv"), "b.csv");
  assertEquals(basename("b.csv", ".csv"), "b");
  assertEquals(dirname("/runs/a/b.csv"), "/runs/a");
  assertEquals(dirname("b.csv"), ".");
  assertEquals(extname("a.tar.gz"), ".gz");
  assertEquals(extname(".gitignore"), "");
  assertEquals(join("a", "..", "b", "./c"), "b/c");
  assertEquals(relative("/a/b", "/a/c/d"), "../c/d");
  assertEquals(resolve("/a", "b", "../c"), "/a/c");
  assertEquals([isAbsolute("/a"), isAbsolute("a")], [true, false]);
});

Deno.test("fromFileUrl and toFileUrl are inverse, blanks included", () => {
  const url = toFileUrl("/a b/c%d.ts");
  assertEquals(url.href, "file:///a%20b/c%25d.ts");
  assertEquals(fromFileUrl(url), "/a b/c%d.ts");
  assertEquals(fromFileUrl("file:///x"), "/x");
  assertThrows(() => toFileUrl("a"), TypeError);
  assertThrows(() => fromFileUrl("https:/x"), TypeError);
});
