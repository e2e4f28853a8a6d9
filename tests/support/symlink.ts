/**
 * Makes a symbolic link, which the sandbox of tests may not.
 *
 * @param target what it leads to, from its own folder
 * @param path where it is
 */
export async function symlink(target: string, path: string): Promise<void> {
  const { success } = await new Deno.Command("deno", {
    args: ["eval", "Deno.symlinkSync(...Deno.args)", target, path],
  }).output();
  if (!success) throw new Error(`Cannot link ${path} to ${target}`);
}
