import { assertEquals, assertThrows } from "@std/assert";
import {
  digestBits,
  fromFragment,
  type PlayEvent,
  roundAction,
  toFragment,
} from "../../core/play/log.ts";

const log = {
  ...{
    scene: 9007,
    start: 4,
    seed: 3,
    weights: "0badcafe",
    digest: "12345678",
  },
  events: [
    { kind: "settings", steps: 4, guidance: 1.5 },
    { kind: "step", action: { steer: -0.32, accel: 0.22 } },
    { kind: "recorded" },
    { kind: "anchor" },
    { kind: "settings", steps: 50, guidance: 4 },
    { kind: "step", action: { steer: 1, accel: -1 } },
    { kind: "step", action: { steer: 0.0001, accel: -0.0001 } },
  ] satisfies PlayEvent[],
};

Deno.test("fromFragment reads what toFragment writes", () => {
  const fragment = toFragment(log);
  assertEquals(fromFragment(fragment), log);
  assertEquals(fromFragment(`#${fragment}`), log);
  assertEquals(/^[\w=&-]*$/.test(fragment), true);
});

Deno.test("fromFragment ignores a page without a log", () => {
  assertEquals(fromFragment(""), undefined);
  assertEquals(fromFragment("#drive"), undefined);
});

Deno.test("fromFragment refuses damaged links in one line", () => {
  const damaged = (change: (values: URLSearchParams) => void) => {
    const values = new URLSearchParams(toFragment(log));
    change(values);
    return values.toString();
  };
  const cases: [string, string][] = [
    [damaged((v) => v.set("scene", "-1")), 'scene is "-1"'],
    [damaged((v) => v.delete("seed")), 'seed is ""'],
    [damaged((v) => v.set("start", "40")), "0 to 39"],
    [damaged((v) => v.set("log", "%%%")), "no base64"],
    [damaged((v) => v.set("log", "AQAA")), "ends within an event"],
    [damaged((v) => v.set("log", "_w")), "byte 0 of its log is 255"],
  ];
  for (const [fragment, message] of cases) {
    assertThrows(() => fromFragment(fragment), SyntaxError, message);
  }
});

Deno.test("roundAction keeps what links hold, and clamps", () => {
  assertEquals(roundAction({ steer: 0.123456, accel: -2 }), {
    steer: 0.1235,
    accel: -1,
  });
});

Deno.test("digestBits is FNV-1a of the bytes", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  assertEquals(digestBits(bytes("")), "811c9dc5");
  assertEquals(digestBits(bytes("a")), "e40c292c");
  assertEquals(digestBits(bytes("foobar")), "bf9cf968");
  assertEquals(
    digestBits(Float32Array.of(1, 2)),
    digestBits(new Uint8Array(Float32Array.of(1, 2).buffer)),
  );
});
