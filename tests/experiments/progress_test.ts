import { assertEquals, assertMatch } from "@std/assert";
import { Pace } from "../../core/experiment/pace.ts";
import { ProgressLine } from "../../core/experiment/progress.ts";

function refuse(text: string, form: RegExp): void {
  assertEquals(form.exec(text)?.[0], undefined, text);
}

/** A clock that goes on when it is told to. */
function fakeClock() {
  let at = 1_000_000;
  return {
    now: () => at,
    wait: (seconds: number) => void (at += 1e3 * seconds),
  };
}

/** A line on a terminal, with the texts that it showed. */
function setUp() {
  const clock = fakeClock();
  const shown: string[] = [];
  const kept: string[] = [];
  const line = new ProgressLine("encode", () => 0, (text) => kept.push(text), {
    write: (text) => void shown.push(text),
    isTerminal: () => true,
    now: clock.now,
  });
  const update = (done: number, waitsFor?: string) => {
    const progress = { done, total: 100 };
    line.update(waitsFor === undefined ? progress : { ...progress, waitsFor });
    return shown.at(-1) ?? "";
  };
  return { clock, line, update, shown, kept };
}

Deno.test("ProgressLine leaves the wait for the first batch out of the time left", () => {
  const { clock, update, line, shown } = setUp();
  assertMatch(update(0), /encode {2}0\/100 {2}compiling kernels {2}0 MiB/);
  clock.wait(300);
  refuse(update(1), /left|\/s|compiling/);
  for (let done = 2; done <= 3; done++) {
    clock.wait(2);
    refuse(update(done), /left|\/s/);
  }
  clock.wait(2);
  assertMatch(update(4), /4\/100 {2}0\.5\/s {2}3 min 12 s left/);
  clock.wait(2);
  assertMatch(update(5), /3 min 10 s left/);
  line.end();
  assertMatch(shown.at(-1) ?? "", /\(5 min 8 s\)/);
});

Deno.test("ProgressLine tells no time left before two seconds are measured", () => {
  const { clock, update } = setUp();
  update(0);
  clock.wait(1);
  for (let done = 1; done <= 20; done++) {
    refuse(update(done), /left/);
    clock.wait(0.1);
  }
  update(21);
  clock.wait(0.1);
  assertMatch(update(22), /10\/s {2}8 s left/);
});

Deno.test("ProgressLine goes on from what was done before", () => {
  const { clock, update } = setUp();
  assertMatch(update(60, "reading frames"), /60\/100 {2}reading frames/);
  clock.wait(50);
  update(61);
  for (let done = 62; done <= 64; done++) {
    clock.wait(10);
    update(done);
  }
  assertMatch(update(64), /6 min 0 s left/);
});

Deno.test("Pace is not misled by one batch that took long", () => {
  const clock = fakeClock();
  const pace = new Pace(clock.now);
  pace.update(0, 1000);
  for (let done = 10; done <= 200; done += 10) {
    clock.wait(done === 10 || done === 50 ? 400 : 1);
    pace.update(done, 1000);
  }
  assertEquals([pace.rate, pace.left, pace.seconds], [10, 80, 100]);
  // A machine that becomes slower is followed.
  for (let done = 210; done <= 400; done += 10) {
    clock.wait(5);
    pace.update(done, 1000);
  }
  assertEquals([pace.rate, pace.left], [2, 300]);
});

Deno.test("Pace waits for the first batch, unless nothing is to be done", () => {
  const pace = new Pace(fakeClock().now);
  assertEquals([pace.isWaiting, pace.left], [false, undefined]);
  pace.update(0, 10);
  assertEquals(pace.isWaiting, true);
  pace.update(1, 10);
  assertEquals(pace.isWaiting, false);
  const finished = new Pace(fakeClock().now);
  finished.update(10, 10);
  assertEquals([finished.isWaiting, finished.left], [false, undefined]);
});
