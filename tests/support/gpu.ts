import { Gpu } from "../../core/gpu/gpu.ts";

let opened: Promise<Gpu> | undefined;

/** The device that all tests of a file share. */
export function testGpu(): Promise<Gpu> {
  return opened ??= Gpu.open();
}
