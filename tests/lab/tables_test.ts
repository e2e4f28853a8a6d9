import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  copySentence,
  scoreTable,
  unseenTable,
} from "../../core/lab/tables.ts";
import type { PointScores } from "../../core/lab/metrics.ts";

/** Scores of a point that has these numbers. */
function scores(values: Record<string, number>): PointScores {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, { value, n: 9 }]),
  );
}

/** The copy wins by KID and energy; of motion it has none. */
const POINTS = {
  copy: scores({ kid: 0.02, fidPairs: 9, energy: 0.9, lowMotion: 0, ssim: 1 }),
  raw: scores({ kid: 0.1, fidPairs: 8, energy: 2.2, lowMotion: 1.5, ssim: 0 }),
  direct: scores({ kid: 0.2, fidPairs: 31, energy: 0.2, lowMotion: 0.5 }),
  // Would beat the copy, but has seen the test windows, or is no prediction.
  oracle: scores({ kid: 0.01, fidPairs: 1, energy: 1, lowMotion: 1 }),
  ceiling: scores({ kid: 0, fidPairs: 0, energy: 1, lowMotion: 1 }),
};

const TITLES = Object.fromEntries(
  Object.keys(POINTS).map((name) => [name, name]),
);

Deno.test("copySentence says what a copy scores, and by what it wins, from the numbers", () => {
  assertEquals(
    copySentence(POINTS),
    "A copy of the present, which predicts nothing, scores KID 0.020, FID of pairs 9.0, Energy of real 0.90, Low-frequency motion of real 0.00: it is better than all predictions by KID, Energy of real, and not by FID of pairs, Low-frequency motion of real.",
  );
  const better = {
    ...POINTS,
    raw: scores({ kid: 0.01, fidPairs: 8, energy: 1.01, lowMotion: 1 }),
  };
  assertStringIncludes(
    copySentence(better),
    "by none of these is it better than all predictions.",
  );
});

Deno.test("scoreTable and unseenTable share KID, and show what was measured", () => {
  const names = (table: { columns: readonly { name: string }[] }) =>
    table.columns.map(({ name }) => name);
  assertEquals(names(scoreTable("main", TITLES, POINTS)), ["kid", "ssim"]);
  const unseen = unseenTable("unseen", TITLES, POINTS, {
    kid: { published: { raw: 0.29 }, where: "Table 2" },
  });
  assertEquals(names(unseen), ["kid", "fidPairs", "energy", "lowMotion"]);
  assertEquals(unseen.columns[0]?.published, { raw: 0.29 });
  assertEquals(Object.keys(unseen.rows[0]!.cells), names(unseen));
  assertStringIncludes(unseen.note ?? "", copySentence(POINTS));
});
