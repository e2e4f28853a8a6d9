import { assertEquals, assertThrows } from "@std/assert";
import {
  finetuned,
  finetuneParams,
  finetunePoints,
} from "../../core/lab/finetune.ts";
import { labPresets } from "../../core/lab/params.ts";

const given = {
  ...labPresets.smoke,
  motionWeight: 0.5,
  finetuneSamples: 32,
  finetuneRate: 1e-3,
};
const of = { recipe: "visible", seed: 3 } as const;

Deno.test("finetuned begins with the trained model, and the control differs in the motion loss alone", () => {
  const params = finetuneParams.parse(given);
  const before = finetuned(params, of, "before");
  assertEquals(before, { ...of, mode: "diffusion" });
  const control = finetuned(params, of, "control");
  const tuned = finetuned(params, of, "tuned");
  assertEquals(control.from, before);
  assertEquals(control.changes, {
    samples: 32,
    lrDiffusion: 1e-3,
    emaWarmup: false,
  });
  assertEquals(tuned, { ...control, motionWeight: 0.5 });
  const points = finetunePoints(params, [of, { ...of, seed: 4 }]);
  assertEquals(points.map(({ name }) => name), [
    "direct",
    "raw",
    "calibrated",
    "control",
    "controlCalibrated",
    "tuned",
    "tunedCalibrated",
  ]);
  assertEquals(points.map(({ sources }) => sources.length), Array(7).fill(2));
});

Deno.test("finetuneParams refuse no weight, and objectives without clean tokens", () => {
  assertThrows(() => finetuneParams.parse({ ...given, motionWeight: 0 }));
  assertThrows(
    () => finetuneParams.parse({ ...given, objective: "v" }),
    Error,
    "it needs x0",
  );
});
