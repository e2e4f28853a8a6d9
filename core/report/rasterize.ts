import { initWasm, Resvg } from "@resvg/resvg-wasm";
import wasm from "@resvg/resvg-wasm/index_bg.wasm" with { type: "bytes" };
import { flattenColours } from "./plot.ts";

let ready: Promise<void> | undefined;

/**
 * Draws a figure of this room as PNG, on white.
 *
 * @param svg SVG text
 * @param font TrueType file for all text, DejaVu Sans; there is no text
 *   without it
 * @param scale pixels per SVG unit
 * @returns PNG file
 * @throws {RangeError} if `scale` is not a positive number
 */
export async function rasterize(
  svg: string,
  font: Uint8Array,
  scale = 2,
): Promise<Uint8Array> {
  if (!(scale > 0 && Number.isFinite(scale))) {
    throw new RangeError(
      `Cannot rasterize at scale ${scale}: it needs a positive number`,
    );
  }
  ready ??= initWasm(wasm);
  await ready;
  using renderer = freed(
    new Resvg(flattenColours(svg), {
      background: "#ffffff",
      fitTo: { mode: "zoom", value: scale },
      font: {
        fontBuffers: [font],
        defaultFontFamily: "DejaVu Sans",
        sansSerifFamily: "DejaVu Sans",
      },
    }),
  );
  using image = freed(renderer.value.render());
  return image.value.asPng();
}

/** WebAssembly memory is not collected. */
function freed<T extends { free(): void }>(
  value: T,
): Disposable & { readonly value: T } {
  return { value, [Symbol.dispose]: () => value.free() };
}
