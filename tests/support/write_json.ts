import { dirname } from "@std/path";

/**
 * Writes a report, making its folder if needed.
 *
 * @throws {Error} naming the folder that may be written, if it is another
 */
export async function writeJson(path: string, value: unknown): Promise<void> {
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, `${JSON.stringify(value, null, 2)}\n`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    throw new Error(
      `Cannot write "${path}": the sandbox allows runs/ only; give a path such as runs/report.json`,
    );
  }
}
