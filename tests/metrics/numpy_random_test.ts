import { assertEquals, assertThrows } from "@std/assert";
import { numpyBootstrap } from "../../core/metrics/numpy_bootstrap.ts";
import { NumpyGenerator } from "../../core/metrics/numpy_random.ts";
import expected from "../../fixtures/torch/paired_statistics.json" with {
  type: "json",
};

Deno.test("NumpyGenerator gives NumPy's words", () => {
  const generator = new NumpyGenerator(42);
  assertEquals(Array.from({ length: 4 }, () => generator.next64()), [
    14276969152011380360n,
    8095878257575067585n,
    15838336090824644132n,
    12864169557245331597n,
  ]);
  for (const { seed, words } of expected.draws.words) {
    const other = new NumpyGenerator(seed);
    assertEquals(words.map(() => String(other.next64())), words);
  }
});

Deno.test("NumpyGenerator.integers draws NumPy's indices", () => {
  const drawn = [...new NumpyGenerator(42).integers(150, 1000 * 150)];
  assertEquals(drawn.slice(0, 16), [
    ...[13, 116, 98, 65, 64, 128, 12, 104],
    ...[30, 14, 78, 146, 110, 114, 107, 117],
  ]);
  assertEquals(drawn.slice(150, 155), [128, 42, 137, 44, 65]);
  assertEquals(drawn.slice(-3), [43, 90, 46]);
  assertEquals([...new NumpyGenerator(46).integers(150, 8)], [
    ...[75, 135, 32, 11, 82, 40, 37, 93],
  ]);
  // Most draws of such a range are refused and drawn again.
  const { large } = expected.draws;
  assertEquals([...new NumpyGenerator(3).integers(3e9, large.length)], large);
});

Deno.test("NumpyGenerator.choice chooses NumPy's indices, half a word kept between calls", () => {
  const { choice } = expected.draws;
  const generator = new NumpyGenerator(42);
  assertEquals([...generator.choice(150, 6)], choice.replaced);
  const once = { replace: false };
  assertEquals([...generator.choice(6019, 50, once)], choice["of 6019"]);
  assertEquals([...generator.integers(1000, 5)], choice.then);
  assertEquals(
    [...new NumpyGenerator(7).choice(20_000, 500, once)],
    choice.tail,
  );
  assertEquals([...new NumpyGenerator(7).choice(5, 5, once)], choice.all);
  assertEquals([...new NumpyGenerator(7).choice(1, 1, once)], [0]);
});

Deno.test("NumpyGenerator says what it needs", () => {
  assertThrows(() => new NumpyGenerator(-1), RangeError, "seed NumPy");
  assertThrows(() => new NumpyGenerator(0).integers(0, 1), RangeError, "below");
  assertThrows(
    () => new NumpyGenerator(0).choice(3, 4, { replace: false }),
    RangeError,
    "Cannot choose 4 of 3",
  );
});

Deno.test("numpyBootstrap gives a single value twice and refuses none", () => {
  assertEquals(numpyBootstrap([2]), { low: 2, high: 2, level: 0.95 });
  assertThrows(() => numpyBootstrap([]), RangeError, "at least 1");
});
