import { join } from "@std/path";
import type { LatentShards } from "../../core/data/latents.ts";

/**
 * Writes shards of zeros that take no space on the disk: headers, and holes of
 * any size behind them.
 *
 * @param shards what they are of
 */
export async function writeEmptyShards(
  { directory, digest, frames, size, shard = 512 }: LatentShards,
): Promise<void> {
  for (let start = 0; start < frames; start += shard) {
    const rows = Math.min(shard, frames - start);
    const bytes = 4 * rows * size;
    const text = new TextEncoder().encode(JSON.stringify({
      __metadata__: { digest },
      latents: { dtype: "F32", shape: [rows, size], data_offsets: [0, bytes] },
    }));
    const header = new Uint8Array(8 + text.length);
    new DataView(header.buffer).setBigUint64(0, BigInt(text.length), true);
    header.set(text, 8);
    const number = String(start / shard).padStart(5, "0");
    const path = join(directory, `latents-${number}.safetensors`);
    await Deno.writeFile(path, header);
    await Deno.truncate(path, header.length + bytes);
  }
}
