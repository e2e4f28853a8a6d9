import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  formatNumber,
  type Table,
  tableToCsv,
  tableToHtml,
  tableToJson,
} from "../../core/report/table.ts";

const table: Table = {
  columns: [{ key: "point", label: "Operating point" }, {
    key: "kid",
    label: "KID",
  }],
  rows: [
    {
      point: 'a "quoted", <b>name</b>',
      kid: {
        value: 0.06612345,
        low: 0.0581,
        high: 0.0742,
        n: 150,
        published: 0.0527,
        note: "5 < 6",
      },
    },
    { point: "copy", kid: 0.003 },
    { point: "absent", kid: null },
  ],
};

Deno.test("formatNumber keeps three significant digits", () => {
  assertEquals(formatNumber(0), "0");
  assertEquals(formatNumber(0.066123), "0.0661");
  assertEquals(formatNumber(-0.5), "\u22120.500");
  assertEquals(formatNumber(12.345), "12.3");
  assertEquals(formatNumber(1234.5), "1235");
  assertEquals(formatNumber(110000), "110,000");
  assertEquals(formatNumber(-5396288), "\u22125,396,288");
  assertEquals(formatNumber(0.0000123), "1.23e\u22125");
  assertEquals(formatNumber(-0.0001, 2), "0.00");
  assertThrows(() => formatNumber(NaN), RangeError, "finite");
});

Deno.test("tableToCsv writes every digit and a column per part", () => {
  assertEquals(
    tableToCsv(table).replaceAll("\r\n", "\n").trimEnd(),
    "point,kid,kid_low,kid_high,kid_n,kid_note,kid_published\n" +
      '"a ""quoted"", <b>name</b>",0.06612345,0.0581,0.0742,150,5 < 6,0.0527\n' +
      "copy,0.003,,,,,\nabsent,,,,,,",
  );
});

Deno.test("tableToJson keeps the cells", () => {
  assertEquals(JSON.parse(tableToJson(table)), table);
});

Deno.test("tableToHtml shows value, interval, n and the paper's number", () => {
  const html = tableToHtml(table, "a < b");
  assertStringIncludes(html, "<caption><span>a &lt; b</span></caption>");
  assertStringIncludes(html, "<b>0.0661</b><small>[0.0581, 0.0742]</small>");
  assertStringIncludes(html, "n = 150");
  assertStringIncludes(html, ">paper 0.0527<");
  assertStringIncludes(html, "5 &lt; 6");
  assertStringIncludes(html, "&lt;b&gt;name&lt;/b&gt;");
  assertEquals(html.includes("<b>name"), false);
});

Deno.test("tableToHtml refuses what it could not show", () => {
  const columns = [{ key: "a" }];
  assertThrows(
    () => tableToHtml({ columns, rows: [{ a: 1, b: 2 }] }),
    TypeError,
    'row 0 has "b"',
  );
  assertThrows(
    () => tableToHtml({ columns, rows: [{ a: { value: 1, low: NaN } }] }),
    RangeError,
    '"a" of row 0 holds NaN',
  );
  assertThrows(
    () => tableToCsv({ columns: [...columns, ...columns], rows: [] }),
    RangeError,
    "twice",
  );
});

Deno.test("tableToHtml heads a column by unit, direction and place", () => {
  const html = tableToHtml({
    columns: [{
      key: "shift",
      unit: "<px>",
      direction: "lower",
      where: "Table <2>",
    }],
    rows: [{ shift: 1 }],
  });
  assertStringIncludes(
    html,
    `shift<small>in &lt;px&gt;</small><small>\u2193\u00a0lower\u00a0is` +
      `\u00a0better</small><small class="published">paper: Table &lt;2&gt;`,
  );
});

Deno.test("tables keep what is known of a number that is missing", () => {
  const missing: Table = {
    columns: [{ key: "kid" }],
    rows: [{ kid: { value: null, low: null, high: 2, n: 3, published: 4 } }],
  };
  assertStringIncludes(
    tableToHtml(missing),
    `\u2013<small>to 2</small><small>n = 3</small>` +
      `<small class="published">paper 4</small>`,
  );
  assertEquals(
    tableToCsv(missing),
    "kid,kid_high,kid_n,kid_published\r\n,2,3,4\r\n",
  );
});

Deno.test("tableToCsv refuses a column that another one's interval would name", () => {
  assertThrows(
    () =>
      tableToCsv({
        columns: [{ key: "kid" }, { key: "kid_n" }],
        rows: [{ kid: { value: 1, n: 2 }, kid_n: 3 }],
      }),
    RangeError,
    'CSV column "kid_n" is there twice',
  );
});
