import { assertEquals, assertRejects } from "@std/assert";
import { severalAtOnce } from "../../core/formats/several.ts";

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

Deno.test("severalAtOnce keeps the order, and has no more than 16 at a time", async () => {
  let running = 0;
  let most = 0;
  const items = Array.from({ length: 100 }, (_, i) => i);
  const squares = await severalAtOnce(items, async (i) => {
    most = Math.max(most, ++running);
    await pause(i % 3);
    running--;
    return i * i;
  });
  assertEquals(squares, items.map((i) => i * i));
  assertEquals(most, 16);
  assertEquals(await severalAtOnce([], pause), []);
});

Deno.test("severalAtOnce begins nothing after a failure", async () => {
  const begun: number[] = [];
  const work = async (i: number) => {
    begun.push(i);
    await pause(1);
    if (i === 3) throw new Error(`item ${i}`);
  };
  const items = Array.from({ length: 1000 }, (_, i) => i);
  await assertRejects(() => severalAtOnce(items, work), Error, "item 3");
  await pause(20);
  assertEquals(begun.length < 40, true);
});
