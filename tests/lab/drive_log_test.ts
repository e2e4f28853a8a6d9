import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { type DriveLog, readDriveLog } from "../../core/lab/drive_log.ts";
import { tinyFolder } from "../support/tiny_nuscenes.ts";

Deno.test("readDriveLog reads a session, and names what is wrong with it", async () => {
  using folder = tinyFolder();
  const path = join(folder.path, "drive.json");
  const write = (value: unknown) =>
    Deno.writeTextFile(
      path,
      typeof value === "string" ? value : JSON.stringify(value),
    );
  const log: DriveLog = {
    scene: "drive-9000",
    start: 2,
    actions: [[0.1, -0.2], [0, 1]],
  };
  await write({ ...log, recordedBy: "a page" });
  assertEquals(await readDriveLog(path), log);
  const cases = [
    [{ ...log, actions: [] }, TypeError, "actions: "],
    [{ ...log, actions: [[0.1, 2]] }, TypeError, "actions.0.1: "],
    [{ ...log, start: -1 }, TypeError, "start: "],
    [{ start: 0 }, TypeError, "scene: "],
    ["{", SyntaxError, "it is no JSON; needed"],
  ] as const;
  for (const [value, kind, message] of cases) {
    await write(value);
    await assertRejects(() => readDriveLog(path), kind, message);
  }
  await assertRejects(
    () => readDriveLog(join(folder.path, "none.json")),
    Error,
    "there is no such file; needed",
  );
});
