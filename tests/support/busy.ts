// Computes without a pause, for the tests that interrupt it: until it is asked
// to stop, or, with the word "deaf", for a minute.
import { Interrupt } from "../../core/experiment/interrupt.ts";

using interrupt = await Interrupt.open();
console.log("ready");
const end = performance.now() + 60_000;
while (performance.now() < end) {
  if (interrupt.requested && Deno.args[0] !== "deaf") break;
}
// A second signal of the same press must not come between.
const pause = performance.now() + 200;
while (performance.now() < pause);
console.log("kept what was done");
try {
  interrupt.check();
} catch (error) {
  Deno.exit((error as { status: number }).status);
}
