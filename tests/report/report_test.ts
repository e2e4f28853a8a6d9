import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { renderReport, type Report } from "../../core/report/report.ts";

const EVIL = `<script>alert("1")</script>&'`;

function report(): Report {
  return {
    title: EVIL,
    lead: EVIL,
    banner: EVIL,
    command: `./run exp:frontier --out "${EVIL}"`,
    adapter: EVIL,
    provenance: { [EVIL]: EVIL, steps: 6875, seed: 0 },
    claims: [
      { id: "kid", text: EVIL, verdict: "holds", evidence: "2.36 > 1.6" },
      { id: "gap", text: "b", verdict: "does not hold", evidence: EVIL },
      { id: "rho", text: "c", verdict: "not tested", evidence: "no data" },
    ],
    sections: [{
      title: EVIL,
      blocks: [
        { kind: "text", text: EVIL },
        {
          kind: "table",
          table: { columns: [{ key: "a" }], rows: [{ a: EVIL }] },
          caption: EVIL,
        },
        { kind: "figure", svg: "<svg></svg>", caption: EVIL },
        {
          kind: "media",
          bytes: new Uint8Array([1, 2, 3]),
          type: "image/png",
          alt: EVIL,
          caption: EVIL,
        },
        { kind: "html", html: "<p>kept</p>" },
      ],
    }],
    stageTimes: [
      { stage: EVIL, seconds: 61.25, note: EVIL },
      { stage: "b", seconds: 0 },
    ],
  };
}

Deno.test("renderReport escapes every text", () => {
  const html = renderReport(report());
  assertEquals(html.includes("<script"), false);
  assertEquals(html.includes(`"1"`), false);
  assertStringIncludes(html, "&lt;script&gt;alert(&quot;1&quot;)");
  assertStringIncludes(html, "<p>kept</p>");
});

Deno.test("renderReport tells verdicts apart by text", () => {
  const html = renderReport(report());
  assertMatch(html, /<li class="holds"[^>]*><span class="badge">✓ holds</);
  assertMatch(html, /<li class="fails"[^>]*>[^/]*✗ does not hold</);
  assertMatch(html, /<li class="open"[^>]*>[^/]*– not tested</);
  assertStringIncludes(html, "1 of 3 holds, 1 does not hold, 1 not tested.");
  const sections = html.indexOf("kept");
  assert(html.indexOf("✗ does not hold") < sections, "claims come first");
});

Deno.test("renderReport writes values by name and doubts beside a verdict", () => {
  const html = renderReport({
    ...report(),
    claims: [{
      id: "kid",
      text: "a",
      verdict: "holds",
      evidence: { Measured: "1 < 2", [EVIL]: EVIL },
      doubt: EVIL,
    }],
  });
  assertStringIncludes(html, "<dt>Measured</dt><dd>1 &lt; 2</dd>");
  assertMatch(html, /✓ holds<\/span><span class="badge doubt">&lt;script/);
  assertStringIncludes(html, "0 not tested; 1 in doubt.");
  assertEquals(html.includes("<script"), false);
});

Deno.test("renderReport labels rows and columns of a picture", () => {
  const html = renderReport({
    ...report(),
    sections: [{
      title: "Pictures",
      blocks: [{
        kind: "media",
        bytes: new Uint8Array([1, 2, 3]),
        type: "image/png",
        alt: "frames",
        caption: "c",
        labels: { rows: ["<a>", "b"], columns: ["t", EVIL], gaps: [[1, 0]] },
      }],
    }],
  });
  const cells = [
    ...html.matchAll(/<(span class="\w+"|img)[^>]*area:([^"]*)"/g),
  ];
  assertEquals(cells.map(([, kind, area]) => `${kind} ${area}`), [
    'span class="column" 1/2',
    'span class="column" 1/3',
    "img 2/2/span 2/span 2",
    'span class="blank" 3/2',
    'span class="row" 2/1',
    'span class="row" 3/1',
  ]);
  assertStringIncludes(html, ">&lt;a&gt;</span>");
  assertEquals(html.includes("<script"), false);
});

Deno.test("renderReport needs nothing outside the file", () => {
  const html = renderReport(report());
  const sources = [...html.matchAll(/\s(?:src|href|poster)="([^"]*)"/g)];
  assertEquals(sources.map((match) => match[1]), [
    "data:image/png;base64,AQID",
  ]);
  assertEquals(/@import|url\(|<link/.test(html), false);
  assertStringIncludes(html, "default-src 'none'");
});

Deno.test("renderReport says command and seconds per stage", () => {
  const html = renderReport(report());
  assertStringIncludes(html, "./run exp:frontier --out &quot;");
  assertStringIncludes(html, `<td class="number">61.3</td>`);
  assertStringIncludes(html, "1 min 1 s in all");
});

Deno.test("renderReport gives equal bytes for equal input", () => {
  assertEquals(renderReport(report()), renderReport(report()));
});

Deno.test("renderReport refuses equal claims and impossible times", () => {
  const base = report();
  assertThrows(
    () => renderReport({ ...base, claims: [...base.claims, ...base.claims] }),
    RangeError,
    'claim "kid" is there twice',
  );
  assertThrows(
    () => renderReport({ ...base, stageTimes: [{ stage: "s", seconds: NaN }] }),
    RangeError,
    'stage "s" took NaN s',
  );
});
