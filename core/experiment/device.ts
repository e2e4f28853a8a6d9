import { Gpu } from "../gpu/gpu.ts";

/**
 * Opens the device of a task, and says in one line why it will be slow where
 * Mesa's GL drives a software adapter.
 */
export async function openDevice(): Promise<Gpu> {
  const gpu = await Gpu.open();
  if (gpu.backend === "GL" && gpu.isSoftware) {
    console.error(
      `No Vulkan driver answers: ${gpu.adapter} is about fifty times slower; start through ./run, which installs one, or install it (Debian, Ubuntu: sudo apt-get install mesa-vulkan-drivers)`,
    );
  }
  return gpu;
}
