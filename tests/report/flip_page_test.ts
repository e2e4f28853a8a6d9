import { assert, assertEquals, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import { dashboard, enlarge } from "../../core/report/dashboard.ts";
import { flipPage } from "../../core/report/flip_page.ts";
import { pathPlot, scatterPlot } from "../../core/report/plot.ts";

const picture = (level: number) => ({
  width: 2,
  height: 2,
  data: new Uint8Array(12).fill(level),
});

const page = (frames = [picture(0), null]) =>
  flipPage({
    title: "Two <scenes>",
    lead: "A & B",
    moments: ["t", "t+1"],
    scenes: [{
      name: "one</script>",
      actions: [null, { steerRad: 0.5, accelMps2: -1 }],
      films: [{ label: "Camera", frames }],
    }],
  });

Deno.test("flipPage stands alone: its policy allows its own script by digest, and no address", () => {
  const html = page();
  const [, script] = /<script>([\s\S]*?)<\/script>/.exec(html)!;
  const digest = createHash("sha256").update(script!).digest("base64");
  assert(html.includes(`script-src 'sha256-${digest}'`));
  assert(html.includes("default-src 'none'"));
  assertEquals(/(?:src|href)="(?!data:)/.test(html), false);
  assertEquals(/https?:/.test(html), false);
  assert(html.includes("Two &lt;scenes&gt;") && html.includes("A &amp; B"));
  assertEquals(html, page());
});

Deno.test("flipPage keeps names, actions, frames and gaps as data that no name can end", () => {
  const [, json] = /id="data">(.*?)<\/script>/.exec(page())!;
  const { moments, scenes: [scene] } = JSON.parse(json!);
  assertEquals(moments, ["t", "t+1"]);
  assertEquals(scene.name, "one</script>");
  assertEquals(scene.actions, [null, { steerRad: 0.5, accelMps2: -1 }]);
  const [{ frames }] = scene.films;
  assert(frames[0].startsWith("data:image/png;base64,"));
  assertEquals(frames[1], null);
  assertThrows(
    () => page([picture(0)]),
    RangeError,
    "it has 1 frames or actions",
  );
});

Deno.test("enlarge repeats pixels", () => {
  const data = Uint8Array.of(1, 2, 3, 4, 5, 6);
  const large = enlarge({ width: 2, height: 1, data }, 2);
  assertEquals([large.width, large.height], [4, 2]);
  const line = [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6];
  assertEquals([...large.data], [...line, ...line]);
  assertThrows(() => enlarge(large, 1.5), RangeError, "1.5 times");
});

Deno.test("dashboard turns its wheel to the left for positive steering, and its bar up to get faster", () => {
  const side = 64;
  /** Mean place of the pixels that a test accepts. */
  const centre = (
    image: { data: Uint8Array },
    is: (r: number, g: number, b: number) => boolean,
  ) => {
    let [x, y, n] = [0, 0, 0];
    for (let i = 0; i < side * side; i++) {
      const [r, g, b] = image.data.subarray(3 * i, 3 * i + 3);
      if (!is(r!, g!, b!)) continue;
      x += i % side;
      y += Math.floor(i / side);
      n++;
    }
    return n === 0 ? undefined : { x: x / n, y: y / n };
  };
  const isMark = (r: number, g: number, b: number) =>
    r === 240 && g === 148 && b === 108;
  const isGreen = (r: number, g: number, b: number) =>
    r === 101 && g === 192 && b === 140;
  const straight = centre(dashboard({ steerRad: 0, accel: 0 }, side), isMark)!;
  const left = centre(dashboard({ steerRad: 0.8, accel: 0 }, side), isMark)!;
  assert(left.x < straight.x - 3 && left.y > straight.y);
  const faster = dashboard({ steerRad: 0, accel: 0.9 }, side);
  assert(centre(faster, isGreen)!.y < side / 2);
  assertEquals(
    centre(dashboard({ steerRad: 0, accel: -0.9 }, side), isGreen),
    undefined,
  );
  assertThrows(
    () => dashboard({ steerRad: NaN, accel: 0 }, side),
    RangeError,
    "steering NaN",
  );
});

Deno.test("scatterPlot and pathPlot draw a panel for each list, and refuse none", () => {
  const dots = [{ x: -1, y: -0.2 }, { x: 1, y: 0.3 }];
  const svg = scatterPlot([
    { label: "A & B", points: dots, line: { slope: 0.25, intercept: 0.05 } },
    { label: "Flat", points: dots, line: { slope: 0, intercept: 0 } },
  ], { xLabel: "Commanded", yLabel: "Read" });
  assertEquals(svg.match(/<circle/g)?.length, 4);
  assert(svg.includes("A &amp; B") && svg.includes("Flat"));
  const path = [{ x: 0, y: 0 }, { x: 5, y: 1 }];
  const paths = pathPlot([
    { label: "One", paths: [{ label: "-1", commanded: path, followed: path }] },
  ], { title: "Paths" });
  assert(paths.includes("stroke-dasharray") && paths.includes("One"));
  assertThrows(() => pathPlot([], { title: "" }), RangeError, "at least one");
  assertThrows(
    () =>
      scatterPlot([{ label: "x", points: [{ x: NaN, y: 0 }] }], {
        xLabel: "",
        yLabel: "",
      }),
    RangeError,
    "holds NaN",
  );
});
