import { Gpu, type GpuOptions } from "../../core/gpu/gpu.ts";

const opened = new Map<string, Promise<Gpu>>();

/**
 * The device that all tests of a file share, one for each set of options.
 * It is closed when the file ends.
 */
export function testGpu(options: GpuOptions = {}): Promise<Gpu> {
  const key = JSON.stringify(options);
  let gpu = opened.get(key);
  if (gpu === undefined) {
    gpu = Gpu.open(options);
    opened.set(key, gpu);
    gpu.then((gpu) =>
      globalThis.addEventListener("unload", () => gpu[Symbol.dispose]())
    );
  }
  return gpu;
}
