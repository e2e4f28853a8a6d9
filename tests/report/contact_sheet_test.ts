import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { Image } from "../../core/formats/image.ts";
import { contactSheet } from "../../core/report/contact_sheet.ts";

function plain(width: number, height: number, level: number): Image {
  return {
    width,
    height,
    data: new Uint8Array(width * height * 3).fill(level),
  };
}

Deno.test("contactSheet puts each frame at its row and column", () => {
  const first = plain(3, 2, 10);
  first.data.set([1, 2, 3], (1 * 3 + 2) * 3); // last pixel
  const { image, labels } = contactSheet(
    [
      { label: "a", images: [first, plain(3, 2, 20)] },
      { label: "b", images: [null, plain(3, 2, 40)] },
    ],
    ["t", "t+1"],
    2,
  );
  assertEquals(labels, {
    rows: ["a", "b"],
    columns: ["t", "t+1"],
    gaps: [[1, 0]],
  });
  // Frames of 6 by 4 pixels, 2 pixels between them.
  assertEquals([image.width, image.height], [14, 10]);
  const at = (x: number, y: number): number[] => [
    ...image.data.subarray((y * 14 + x) * 3, (y * 14 + x) * 3 + 3),
  ];
  assertEquals(at(0, 0), [10, 10, 10]);
  assertEquals([at(4, 2), at(5, 3)], [[1, 2, 3], [1, 2, 3]]);
  assertEquals(at(3, 3), [10, 10, 10]);
  assertEquals(at(6, 0), [255, 255, 255]);
  assertEquals(at(8, 0), [20, 20, 20]);
  assertEquals(at(0, 6), [255, 255, 255]);
  assertEquals(at(13, 9), [40, 40, 40]);
});

Deno.test("contactSheet labels the grid in HTML", () => {
  const rows = [{ label: "<direct>", images: [plain(2, 2, 0), null] }];
  const { html } = contactSheet(rows, ["t", "t+1"], 3);
  assertStringIncludes(html, `<th scope="row">&lt;direct&gt;</th>`);
  assertStringIncludes(html, `<th scope="col">t+1</th>`);
  assertStringIncludes(html, `alt="&lt;direct&gt;, t" width="6" height="6"`);
  assertStringIncludes(html, "image-rendering:pixelated");
  assertEquals(html.match(/src="data:image\/png;base64,iVBOR/g)?.length, 1);
  assertEquals(html, contactSheet(rows, ["t", "t+1"], 3).html);
});

Deno.test("contactSheet refuses frames that do not fit", () => {
  const rows = (second: Image) => [
    { label: "a", images: [plain(2, 2, 0), second] },
  ];
  assertThrows(
    () => contactSheet(rows(plain(2, 3, 0)), ["t", "t+1"]),
    RangeError,
    "a frame is (3, 2)",
  );
  assertThrows(
    () => contactSheet(rows(plain(2, 2, 0)), ["t"]),
    RangeError,
    "it has 2 frames, the columns need 1",
  );
  assertThrows(
    () => contactSheet([{ label: "a", images: [null] }], ["t"]),
    RangeError,
    "there are none",
  );
  assertThrows(
    () => contactSheet(rows(plain(2, 2, 0)), ["t", "t+1"], 1.5),
    RangeError,
    "scale 1.5",
  );
});
