import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { placeLabels } from "../../core/report/label_placement.ts";
import {
  barPlot,
  flattenColours,
  frontierPlot,
  linePlot,
} from "../../core/report/plot.ts";
import { rasterize } from "../../core/report/rasterize.ts";

const frontier = () =>
  frontierPlot([
    {
      label: "Direct <1>",
      group: "direct",
      distortion: 0.85,
      perception: 0.156,
      low: 0.14,
      high: 0.17,
    },
    {
      label: "Diffusion & raw",
      group: "diffusion",
      distortion: 0.7,
      perception: 0.073,
      low: -0.01,
      high: 0.09,
    },
    {
      label: "Paper",
      group: "direct",
      distortion: 0.83,
      perception: 0.12,
      published: true,
    },
  ]);
const bars = () =>
  barPlot([
    {
      label: "Direct",
      group: "t+4",
      value: 0.156,
      low: 0.14,
      high: 0.17,
      seeds: [0.15, 0.16],
      published: 0.12,
    },
    { label: "Copy", group: "t+8", value: -0.003 },
  ], { label: "KID" });
const lines = () =>
  linePlot([
    {
      label: "direct",
      points: Array.from({ length: 2000 }, (_, x) => ({ x, y: 1 / (x + 1) })),
    },
    { label: "paper", points: [{ x: 5, y: 0.2 }], published: true },
  ], { xLabel: "Step", yLabel: "Loss", scale: "log" });

for (const [name, draw] of Object.entries({ frontier, bars, lines })) {
  Deno.test(`${name} is SVG that stands alone, equal for equal input`, () => {
    const svg = draw();
    assert(svg.startsWith("<svg"), svg.slice(0, 80));
    assertStringIncludes(svg, 'xmlns="http://www.w3.org/2000/svg"');
    assertEquals(/NaN|undefined|Infinity/.test(svg), false);
    assertStringIncludes(svg, "prefers-color-scheme:dark");
    assertEquals(svg, draw());
  });
}

Deno.test("frontierPlot escapes labels and draws the paper hollow", () => {
  const svg = frontier();
  assertStringIncludes(svg, "Direct &lt;1&gt;");
  assertStringIncludes(svg, "Diffusion &amp; raw");
  const hollow = svg.match(/<(?:g|circle) [^>]*>/g)?.filter((tag) =>
    tag.includes('fill="var(--paper)"') &&
    tag.includes('stroke="var(--series-1)"')
  );
  assertEquals(hollow?.length, 1);
});

Deno.test("frontierPlot refuses what a logarithm cannot show", () => {
  const point = { label: "a", group: "a", distortion: 0, perception: -0.001 };
  assertThrows(() => frontierPlot([point]), RangeError, "linear scale");
  assertStringIncludes(frontierPlot([point], { scale: "linear" }), ">a<");
  assertThrows(
    () => frontierPlot([{ ...point, perception: NaN }]),
    RangeError,
    '"a" holds NaN',
  );
  assertThrows(() => frontierPlot([]), RangeError, "at least one");
});

Deno.test("placeLabels keeps crowded labels apart and in the frame", () => {
  const frame = { left: 0, top: 0, right: 600, bottom: 400 };
  const anchors = Array.from({ length: 12 }, (_, index) => ({
    x: 280 + 9 * (index % 4),
    y: 190 + 11 * Math.floor(index / 4),
    width: 110,
    height: 15,
  }));
  const boxes = placeLabels(anchors, frame, []);
  assertEquals(boxes.length, 12);
  boxes.forEach((a, index) => {
    assert(a.left >= 0 && a.right <= 600 && a.top >= 0 && a.bottom <= 400);
    for (const b of boxes.slice(index + 1)) {
      const apart = a.right <= b.left || b.right <= a.left ||
        a.bottom <= b.top || b.bottom <= a.top;
      assert(apart, `label ${index} covers another`);
    }
  });
});

Deno.test("flattenColours leaves no variable", () => {
  for (const svg of [frontier(), bars(), lines()]) {
    assertEquals(/var\(|currentColor|<style/.test(flattenColours(svg)), false);
  }
});

Deno.test("rasterize draws text with the given font, equally each time", async () => {
  const font = await Deno.readFile(
    new URL("../../fixtures/fonts/DejaVuSans.ttf", import.meta.url),
  );
  const svg = frontier();
  const png = await rasterize(svg, font, 1);
  assertEquals([...png.subarray(0, 8)], [137, 80, 78, 71, 13, 10, 26, 10]);
  assertEquals(new DataView(png.buffer, png.byteOffset).getUint32(16), 680);
  assertEquals(png, await rasterize(svg, font, 1));
  const bare = svg.replaceAll("Direct &lt;1&gt;", "");
  const without = await rasterize(bare, font, 1);
  assertEquals(String(png) === String(without), false);
});
