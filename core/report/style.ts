/** Style of a report: desktop and phone, light and dark, paper. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1f2328; --muted: #5d6671; --line: #dde1e6;
  --soft: #f5f6f8; --accent: #2563a8;
  --holds: #1a6b3c; --holds-soft: #e3f3e9;
  --fails: #a8281c; --fails-soft: #fbe7e4;
  --open: #5d6671; --open-soft: #eceef1;
  --warn: #7a5200; --warn-soft: #fdf1d3;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #15181c; --ink: #e4e7eb; --muted: #9aa3ad; --line: #31373e;
    --soft: #1d2126; --accent: #6ba8e8;
    --holds: #7fd6a2; --holds-soft: #17341f;
    --fails: #ff9d8f; --fails-soft: #421c17;
    --open: #b4bcc5; --open-soft: #2a2f36;
    --warn: #f2c869; --warn-soft: #3a2c0c;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; max-width: 60rem; padding: 2.5rem 1.25rem 4rem;
  background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  overflow-wrap: break-word;
}
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .75rem;
  letter-spacing: -.01em; text-wrap: balance; }
h2 { font-size: 1.25rem; line-height: 1.3; margin: 3rem 0 1rem;
  padding-top: 1rem; border-top: 1px solid var(--line); }
p { margin: 0 0 1rem; max-width: 44rem; }
.lead { font-size: 1.1rem; }
.facts, .tally { color: var(--muted); font-size: .9rem; }
.banner { background: var(--warn-soft); color: var(--warn);
  border-left: 4px solid currentColor; padding: .75rem 1rem;
  max-width: none; font-weight: 600; }
.claims { list-style: none; margin: 0; padding: 0; display: grid;
  gap: .75rem; }
.claims li { border: 1px solid var(--line); border-left: 4px solid;
  border-radius: 6px; padding: .85rem 1rem; }
.claims li.holds { border-left-color: var(--holds); }
.claims li.fails { border-left-color: var(--fails); }
.claims li.open { border-left-color: var(--open); }
.claims p { margin: .4rem 0 0; }
.claims .text { font-weight: 600; }
.claims .evidence { color: var(--muted); font-size: .92rem;
  font-variant-numeric: tabular-nums; }
.claims dl.evidence { display: grid; margin: .6rem 0 0; gap: .5rem 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 13rem), 1fr)); }
.evidence dt { font-size: .82rem; }
.evidence dd { margin: 0; color: var(--ink); }
.id { color: var(--muted); font-size: .85rem; margin-left: .6rem; }
.badge { display: inline-block; border-radius: 999px; font-size: .82rem;
  font-weight: 600; padding: .1rem .65rem; white-space: nowrap; }
.holds .badge { background: var(--holds-soft); color: var(--holds); }
.fails .badge { background: var(--fails-soft); color: var(--fails); }
.open .badge { background: var(--open-soft); color: var(--open); }
.claims .doubt { background: var(--warn-soft); color: var(--warn);
  margin-left: .4rem; }
.scroll { overflow-x: auto; max-width: 100%; margin: 0 0 1rem; }
.scroll:focus-visible { outline: 2px solid var(--accent);
  outline-offset: 2px; }
table { border-collapse: collapse; font-size: .9rem; line-height: 1.4;
  font-variant-numeric: tabular-nums; }
caption span { display: inline-block; position: sticky; left: 0;
  max-width: min(44rem, calc(100vw - 4rem)); }
caption { text-align: left; color: var(--muted); padding: 0 0 .5rem;
  font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .45rem 1.1rem
  .45rem 0; border-bottom: 1px solid var(--line); }
thead th { color: var(--muted); font-weight: 600; vertical-align: bottom;
  border-bottom-color: var(--muted); }
tbody th { font-weight: 500; position: sticky; left: 0;
  background: var(--page); }
th.number, td.number { text-align: right; }
td.number { white-space: nowrap; }
th:last-child, td:last-child { padding-right: 0; }
td b { font-weight: 600; }
td small, th small { display: block; font-weight: 400; color: var(--muted); font-size: .78rem; }
td small.published, th small.published { color: var(--accent); }
td.empty { color: var(--muted); text-align: right; }
figure { margin: 0 0 2rem; }
figure .scroll { margin-bottom: .5rem; }
figure svg { min-width: 34rem; width: 100%; max-width: 46rem !important; }
figure img, figure video { display: block; max-width: 100%; height: auto; }
.pixels { image-rendering: pixelated; }
figcaption { color: var(--muted); font-size: .9rem; max-width: 44rem; }
.labelled { display: grid; width: max-content; font-size: .82rem; }
.labelled img { max-width: none; }
.labelled .column { text-align: center; width: 0; min-width: 100%;
  padding-bottom: .2rem; }
.labelled .row { align-content: center; max-width: 10rem; padding-right: .75rem;
  position: sticky; left: 0; background: var(--page); }
.labelled .blank { background: var(--page); }
.sheet th, .sheet td { border: 0; padding: 1px 2px; font-size: .82rem; }
.sheet img { max-width: none; display: block; }
.sheet tbody th { vertical-align: middle; padding-right: .75rem; }
.sheet thead th { font-weight: 500; text-align: center; }
pre { background: var(--soft); border: 1px solid var(--line);
  border-radius: 6px; padding: .8rem 1rem; overflow-x: auto;
  font: .88rem/1.5 ui-monospace, SFMono-Regular, Menlo, monospace; }
code { font-family: ui-monospace, SFMono-Regular, Menlo, monospace;
  font-size: .88em; overflow-wrap: anywhere; }
.share { width: 10rem; vertical-align: middle; }
.share i { display: block; height: .55rem; min-width: 1px;
  background: var(--accent); border-radius: 2px; }
details { margin-top: 1rem; }
summary { cursor: pointer; color: var(--accent); margin-bottom: .75rem; }
.provenance td { overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  body { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.5rem; }
  .lead { font-size: 1rem; }
  .share { width: 5rem; }
  .labelled .row { max-width: 6.5rem; }
}
@media print {
  .scroll { overflow: visible; }
  figure, .claims li { break-inside: avoid; }
}
`;
