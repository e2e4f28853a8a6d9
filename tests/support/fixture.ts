import { readSafetensors, toFloat32 } from "../../core/formats/safetensors.ts";
import type { StateDict, StateEntry } from "../../core/nn/module.ts";

/** All tensors of a fixture by name. */
export async function readFixture(
  name: string,
): Promise<Readonly<Record<string, StateEntry>>> {
  const url = new URL(
    `../../fixtures/torch/${name}.safetensors`,
    import.meta.url,
  );
  using file = await readSafetensors(url);
  const result: Record<string, StateEntry> = {};
  for (const name of file.names) {
    const tensor = await file.read(name);
    result[name] = { shape: tensor.shape, data: toFloat32(tensor) };
  }
  return result;
}

/** The entries whose names begin with `prefix`, without it. */
export function withPrefix(
  entries: Readonly<Record<string, StateEntry>>,
  prefix: string,
): StateDict {
  return Object.fromEntries(
    Object.entries(entries).filter(([name]) => name.startsWith(prefix)).map(
      ([name, entry]) => [name.slice(prefix.length), entry],
    ),
  );
}
