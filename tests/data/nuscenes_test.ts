import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
} from "@std/assert";
import { join } from "@std/path";
import {
  actionsCsv,
  type NuscenesOptions,
  qualityReport,
  readNuscenes,
} from "../../core/data/nuscenes.ts";
import type { Dataset } from "../../core/data/scene.ts";
import { splitScenes } from "../../core/data/splits.ts";
import {
  editRows,
  TINY_START,
  TINY_STEP,
  tinyAccel,
  tinyFolder,
  type TinyOptions,
  type TinyScene,
  tinySteer,
  writeTinyNuscenes,
} from "../support/tiny_nuscenes.ts";

const OFFICIAL = "n015-2018-07-18-11-07-57+0800";
const TWO: readonly TinyScene[] = [
  { name: "scene-0002", keyframes: 4, description: "Night, rain" },
  { name: "scene-0001", keyframes: 5 },
];

/** Writes a dataset, damages it, reads it. */
async function readDamaged(
  damage: (root: string, tables: string) => Promise<unknown> | void,
  options: NuscenesOptions = {},
  scenes = TWO,
  tiny: TinyOptions = {},
): Promise<Dataset> {
  using folder = tinyFolder();
  const tables = await writeTinyNuscenes(folder.path, scenes, tiny);
  await damage(folder.path, tables);
  return await readNuscenes(folder.path, options);
}

function lengths(dataset: Dataset): Record<string, number> {
  return Object.fromEntries(
    dataset.scenes.map(({ name, keyframes }) => [name, keyframes.length]),
  );
}

Deno.test("readNuscenes reads scenes by name with keyframes by time", async () => {
  const dataset = await readDamaged(() => {});
  assertEquals(dataset.version, "v1.0-mini");
  assertEquals(dataset.official, false);
  assert(/^[0-9a-f]{64}$/.test(dataset.digest));
  assertEquals(lengths(dataset), { "scene-0001": 5, "scene-0002": 4 });
  assertEquals(dataset.scenes.map(({ name }) => name), [
    "scene-0001",
    "scene-0002",
  ]);
  const night = dataset.scenes[1]!;
  assertEquals(night.description, "Night, rain");
  assertEquals(night.logfile, "tiny");
  assertEquals(night.token, "token-scene-0002");
  night.keyframes.forEach((frame, k) => {
    assertEquals(frame.sampleToken, `sample-scene-0002-${k}`);
    // The sample's time, not that of the camera.
    assertEquals(frame.timestamp, TINY_START + k * TINY_STEP);
    assertEquals(frame.imagePath, `samples/CAM_FRONT/scene-0002-${k}.png`);
    assertEquals(frame.imageSize, [16, 8]);
    assertAlmostEquals(frame.steerRaw, tinySteer(0, k), 1e-12);
    assertAlmostEquals(frame.accelRaw, tinyAccel(0, k), 1e-12);
    assertEquals(frame.action, {
      steer: Math.fround(frame.steerRaw / 6),
      accel: Math.fround(frame.accelRaw / 10),
    });
  });
  const { droppedKeyframes, droppedScenes, ...counts } = dataset.quality;
  assertEquals([droppedKeyframes, droppedScenes], [{}, []]);
  assertEquals(counts.totalKeyframes, 9);
  assertEquals(counts.retainedSamples, 9);
  assertEquals(counts.sampleRetentionPct, 100);
  assertEquals(counts.gaps, []);
});

Deno.test("readNuscenes reads JPEG datasets and those without log.json", async () => {
  const dataset = await readDamaged(
    (_, tables) => Deno.remove(join(tables, "log.json")),
    {},
    TWO,
    { images: "jpg" },
  );
  assertEquals(lengths(dataset), { "scene-0001": 5, "scene-0002": 4 });
  assertEquals(dataset.scenes[0]!.logfile, undefined);
});

Deno.test("readNuscenes finds the folder of tables", async () => {
  using folder = tinyFolder();
  const write = (version: string) =>
    writeTinyNuscenes(folder.path, TWO, { version });
  await assertRejects(
    () => readNuscenes(folder.path),
    Error,
    'no folder in it has a scene.json, needed one such as "v1.0-mini"',
  );
  await assertRejects(
    () => readNuscenes(join(folder.path, "none")),
    Error,
    "there is no such folder",
  );
  await write("drive-b");
  assertEquals((await readNuscenes(folder.path)).version, "drive-b");
  await write("drive-a");
  await assertRejects(
    () => readNuscenes(folder.path),
    Error,
    'it has "drive-a", "drive-b"; name one',
  );
  const named = await readNuscenes(folder.path, { version: "drive-b" });
  assertEquals(named.version, "drive-b");
  await write("v1.0-mini");
  assertEquals((await readNuscenes(folder.path)).version, "v1.0-mini");
  await write("v1.0-trainval");
  assertEquals((await readNuscenes(folder.path)).version, "v1.0-trainval");
});

Deno.test("readNuscenes applies the CAN blacklist to nuScenes only", async () => {
  const scenes = [
    { name: "scene-0161", keyframes: 3 },
    { name: "scene-0003", keyframes: 3 },
  ];
  const drawn = await readDamaged(() => {}, {}, scenes);
  assertEquals(lengths(drawn), { "scene-0003": 3, "scene-0161": 3 });

  const dataset = await readDamaged(() => {}, {}, scenes, {
    logfile: OFFICIAL,
  });
  assertEquals(dataset.official, true);
  assertEquals(lengths(dataset), { "scene-0003": 3 });
  assertEquals(dataset.quality.blacklistedScenesDropped, 1);
  assertEquals(dataset.quality.blacklistedSceneIds, ["scene-0161"]);
  assertEquals(dataset.quality.sampleRetentionPct, 50);
  assertEquals(dataset.quality.droppedKeyframes, { blacklisted_scene: 3 });
  assertEquals(splitScenes(dataset).test.map(({ name }) => name), [
    "scene-0003",
  ]);
});

Deno.test("readNuscenes drops scenes without CAN messages and says so", async () => {
  const removed = await readDamaged((root) =>
    Deno.remove(join(root, "can_bus/scene-0001_pose.json"))
  );
  assertEquals(lengths(removed), { "scene-0002": 4 });
  assertEquals(removed.quality.droppedKeyframes, { missing_CAN_messages: 5 });
  assertEquals(removed.quality.droppedScenes, [
    { name: "scene-0001", reason: "missing_CAN_messages" },
  ]);
  const empty = await readDamaged((root) =>
    Deno.writeTextFile(
      join(root, "can_bus/scene-0001_steeranglefeedback.json"),
      "[]",
    )
  );
  assertEquals(empty.quality.droppedKeyframes, { missing_CAN_messages: 5 });
  await assertRejects(
    () =>
      readDamaged((root) =>
        Deno.remove(join(root, "can_bus"), { recursive: true })
      ),
    Error,
    "none of 9 keyframes in v1.0-mini is left, dropped: 9 missing_CAN_messages",
  );
});

Deno.test("readNuscenes keeps keyframes at 50 ms from their messages, not beyond", async () => {
  const withMessagesFrom = (utime: number) =>
    readDamaged((root) =>
      editRows(
        join(root, "can_bus/scene-0002_pose.json"),
        (rows) =>
          rows.filter((row) => Number(row["utime"]) > TINY_START + 300_000)
            .concat({ utime, accel: [7, 0, 0] }),
      )
    );
  const near = await withMessagesFrom(TINY_START + 50_000);
  assertEquals(lengths(near)["scene-0002"], 4);
  assertEquals(near.scenes[1]!.keyframes[0]!.accelRaw, 7);
  assertEquals(near.quality.messagesOutOfOrder, 1);

  const far = await withMessagesFrom(TINY_START + 50_001);
  assertEquals(lengths(far)["scene-0002"], 3);
  assertEquals(far.quality.samplesDroppedForTolerance, 1);
  assertEquals(far.quality.sampleRetentionPct, 88.89);
  const record = far.records[0]!;
  assertEquals(record.dropReason, "alignment_exceeded");
  assertEquals([record.poseDt, record.accelRaw], [50_001, 7]);
});

Deno.test("readNuscenes drops missing, truncated and foreign images and counts them", async () => {
  const at = (root: string, k: number) =>
    join(root, `samples/CAM_FRONT/scene-0001-${k}.png`);
  const damage = async (root: string) => {
    await Deno.remove(at(root, 0));
    const bytes = await Deno.readFile(at(root, 1));
    await Deno.writeFile(at(root, 1), bytes.subarray(0, bytes.length - 16));
    await Deno.writeFile(at(root, 2), new Uint8Array(0));
    await Deno.writeTextFile(at(root, 3), "<html>Not found</html>");
  };
  const dataset = await readDamaged(damage);
  assertEquals(lengths(dataset), { "scene-0001": 1, "scene-0002": 4 });
  assertEquals(dataset.quality.droppedKeyframes, {
    missing_image: 1,
    truncated_image: 2,
    unknown_image_format: 1,
  });
  assertEquals(dataset.quality.retainedSamples, 5);
  const unchecked = await readDamaged(damage, { checkImages: false });
  assertEquals(lengths(unchecked)["scene-0001"], 5);
});

Deno.test("readNuscenes finds JPEG files that lost their end", async () => {
  const dataset = await readDamaged(
    async (root) => {
      const path = join(root, "samples/CAM_FRONT/scene-0002-3.jpg");
      const bytes = await Deno.readFile(path);
      await Deno.writeFile(path, bytes.subarray(0, bytes.length - 2));
    },
    {},
    TWO,
    { images: "jpg" },
  );
  assertEquals(dataset.quality.droppedKeyframes, { truncated_image: 1 });
});

Deno.test("readNuscenes reports gaps that dropped keyframes leave", async () => {
  const dataset = await readDamaged((root) =>
    Deno.remove(join(root, "samples/CAM_FRONT/scene-0002-1.png"))
  );
  assertEquals(dataset.quality.gaps, [
    { scene: "scene-0002", timestamp: TINY_START, seconds: 1 },
  ]);
});

Deno.test("readNuscenes sorts timestamps that are out of order and counts them", async () => {
  const dataset = await readDamaged((_, tables) =>
    editRows(join(tables, "sample.json"), (rows) => {
      const [first, second] = rows;
      return [
        { ...first, timestamp: second!["timestamp"] },
        { ...second, timestamp: first!["timestamp"] },
        ...rows.slice(2),
      ].reverse();
    })
  );
  assertEquals(dataset.quality.keyframesOutOfOrder, 1);
  const frames = dataset.scenes[1]!.keyframes;
  assertEquals(
    frames.map(({ sampleToken }) => sampleToken.slice(-1)),
    ["1", "0", "2", "3"],
  );
  assertEquals(
    frames.map(({ timestamp }) => timestamp),
    [
      0,
      1,
      2,
      3,
    ].map((k) => TINY_START + k * TINY_STEP),
  );

  const messages = await readDamaged((root) =>
    editRows(
      join(root, "can_bus/scene-0002_steeranglefeedback.json"),
      (rows) => rows.reverse(),
    )
  );
  assertEquals(messages.quality.messagesOutOfOrder, 199);
  assertEquals(
    messages.scenes[1]!.keyframes,
    (await readDamaged(() => {})).scenes[1]!.keyframes,
  );
});

Deno.test("readNuscenes drops the second of two keyframes of one time", async () => {
  const dataset = await readDamaged((_, tables) =>
    editRows(
      join(tables, "sample.json"),
      (rows) =>
        rows.map((row) => ({
          ...row,
          ...(row["token"] === "sample-scene-0002-2"
            ? { timestamp: TINY_START + TINY_STEP }
            : {}),
        })),
    )
  );
  assertEquals(dataset.quality.droppedKeyframes, { duplicate_timestamp: 1 });
  assertEquals(lengths(dataset)["scene-0002"], 3);
});

Deno.test("readNuscenes leaves out messages with NaN and counts them", async () => {
  const dataset = await readDamaged(async (root) => {
    const path = join(root, "can_bus/scene-0002_steeranglefeedback.json");
    await editRows(path, (rows) => {
      rows[50]!["value"] = "NaN"; // the message at keyframe 1
      return rows;
    });
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text.replace('"NaN"', "NaN"));
  });
  assertEquals(dataset.quality.messagesNotFinite, 1);
  const record = dataset.records[1]!;
  assertEquals(record.steerDt, -10_000);
  assertEquals(record.dropReason, undefined);
  assert(Number.isFinite(dataset.scenes[1]!.keyframes[1]!.action.steer));
});

Deno.test("readNuscenes reads tables whose texts are escaped and spaced", async () => {
  const dataset = await readDamaged(async (_, tables) => {
    const path = join(tables, "sample_data.json");
    // Reversed, so that a LIDAR_TOP row would win over that of the camera.
    await editRows(path, (rows) => rows.reverse());
    const text = (await Deno.readTextFile(path))
      .replaceAll('"calibration-', '"\\u0063alibration-')
      .replaceAll('":', '" :\t');
    await Deno.writeTextFile(path, text);
  });
  assertEquals(dataset.scenes, (await readDamaged(() => {})).scenes);
});

Deno.test("readNuscenes counts samples without a camera frame", async () => {
  const dataset = await readDamaged((_, tables) =>
    editRows(
      join(tables, "sample_data.json"),
      (rows) => rows.filter((row) => row["token"] !== "camera-scene-0001-4"),
    )
  );
  assertEquals(dataset.quality.samplesWithoutCamera, 1);
  assertEquals(dataset.quality.totalKeyframes, 8);
});

const FAULTS: Record<
  string,
  [damage: (root: string, tables: string) => Promise<void>, message: string]
> = {
  "a table that is no JSON": [
    (_, tables) => Deno.writeTextFile(join(tables, "sample.json"), "<html>"),
    'sample.json": at byte 0, got "<", needed "["',
  ],
  "a truncated table": [
    async (_, tables) => {
      const path = join(tables, "sample_data.json");
      const text = await Deno.readTextFile(path);
      await Deno.writeTextFile(path, text.slice(0, -40));
    },
    'sample_data.json": at byte',
  ],
  "CAN messages that are no JSON": [
    (root) =>
      Deno.writeTextFile(join(root, "can_bus/scene-0001_pose.json"), "[{]"),
    'scene-0001_pose.json": at byte 2, row 0 is no JSON',
  ],
  "a missing table": [
    (_, tables) => Deno.remove(join(tables, "calibrated_sensor.json")),
    "it has no v1.0-mini/calibrated_sensor.json; unpack the metadata",
  ],
  "an empty scene table": [
    (_, tables) => Deno.writeTextFile(join(tables, "scene.json"), "[]"),
    'scene.json": no scene in it',
  ],
  "a missing field": [
    (_, tables) =>
      editRows(join(tables, "sample.json"), (rows) => {
        delete rows[3]!["timestamp"];
        return rows;
      }),
    'sample.json": field "timestamp": Invalid input: expected number, received undefined',
  ],
  "a field of the wrong kind": [
    (_, tables) =>
      editRows(join(tables, "sample_data.json"), (rows) => {
        rows[1]!["is_key_frame"] = "yes";
        return rows;
      }),
    'sample_data.json": field "is_key_frame"',
  ],
  "an image outside of the root": [
    (_, tables) =>
      editRows(join(tables, "sample_data.json"), (rows) => {
        rows[1]!["filename"] = "samples/../../secret.png";
        return rows;
      }),
    'field "filename": needed a path inside the dataset\'s root',
  ],
  "an absolute image path": [
    (_, tables) =>
      editRows(join(tables, "sample_data.json"), (rows) => {
        rows[1]!["filename"] = "/samples/secret.png";
        return rows;
      }),
    'field "filename": needed a path inside the dataset\'s root',
  ],
  "a sample of no scene": [
    (_, tables) =>
      editRows(join(tables, "sample.json"), (rows) => {
        rows[2]!["scene_token"] = "x";
        return rows;
      }),
    'sample.json": field "scene_token": no scene has the token "x"',
  ],
  "a frame of no sample": [
    (_, tables) =>
      editRows(join(tables, "sample_data.json"), (rows) => {
        rows[4]!["sample_token"] = "x";
        return rows;
      }),
    "row 4 of ",
  ],
  "two scenes of one name": [
    (_, tables) =>
      editRows(join(tables, "scene.json"), (rows) => {
        rows[0]!["name"] = "scene-0001";
        return rows;
      }),
    'two rows have the name "scene-0001"',
  ],
  "no front camera": [
    (_, tables) =>
      editRows(join(tables, "sensor.json"), (rows) => rows.slice(1)),
    'no row has the channel "CAM_FRONT"',
  ],
};

for (const [name, [damage, message]] of Object.entries(FAULTS)) {
  Deno.test(`readNuscenes names file and field for ${name}`, async () => {
    const error = await assertRejects(() => readDamaged(damage), Error);
    assert(error.message.includes(message), error.message);
    assert(!error.message.includes("\n"));
  });
}

Deno.test("readNuscenes takes the index from the cache while content is the same", async () => {
  using folder = tinyFolder();
  const root = join(folder.path, "data");
  const cache = join(folder.path, "cache", "index");
  const tables = await writeTinyNuscenes(root, TWO);
  const read = async () => {
    const stages = new Set<string>();
    const dataset = await readNuscenes(root, {
      cache,
      progress: ({ stage, done, total }) => {
        assert(done <= total);
        stages.add(stage);
      },
    });
    return { dataset, stages: [...stages] };
  };
  const all = ["digest", "tables", "CAN bus", "images"];
  const kept = ["digest", "images"];
  const first = await read();
  assertEquals(first.stages, all);
  const second = await read();
  assertEquals(second.stages, kept);
  assertEquals(second.dataset, first.dataset);

  // Images are looked at anew.
  await Deno.remove(join(root, "samples/CAM_FRONT/scene-0002-0.png"));
  const third = await read();
  assertEquals(third.stages, kept);
  assertEquals(third.dataset.quality.droppedKeyframes, { missing_image: 1 });

  const files = async () => {
    const names: string[] = [];
    for await (const { name } of Deno.readDir(cache)) names.push(name);
    return names;
  };
  const [name] = await files();
  await Deno.writeTextFile(join(cache, name!), '{"format":1');
  assertEquals((await read()).stages, all);
  assertEquals((await read()).stages, kept);

  // An index of other content under this name is not used either.
  await Deno.writeTextFile(
    join(cache, name!),
    (await Deno.readTextFile(join(cache, name!)))
      .replace(first.dataset.digest, "0".repeat(64)),
  );
  assertEquals((await read()).stages, all);

  await editRows(join(tables, "scene.json"), (rows) => {
    rows[0]!["description"] = "Rain";
    return rows;
  });
  const changed = await read();
  assertEquals(changed.stages, all);
  assertEquals(changed.dataset.scenes[1]!.description, "Rain");
  assert(changed.dataset.digest !== first.dataset.digest);
  assertEquals((await files()).length, 2);
});

Deno.test("readNuscenes z-scores with the statistics of training scenes only", async () => {
  const dataset = await readDamaged(() => {}, {
    actions: "zscore",
    split: { train: ["scene-0001"], val: [], test: ["scene-0002"] },
  });
  assertEquals(dataset.scenes.map(({ split }) => split), ["train", "test"]);
  const { scaling } = dataset;
  assert(scaling.kind === "zscore");
  const raw = dataset.scenes[0]!.keyframes.map((frame) => frame.steerRaw);
  const mean = raw.reduce((a, b) => a + b, 0) / 5;
  const std = Math.sqrt(raw.reduce((a, b) => a + (b - mean) ** 2, 0) / 5);
  assertAlmostEquals(scaling.mean[0], mean, 1e-12);
  assertAlmostEquals(scaling.std[0], std, 1e-12);
  for (const { keyframes } of dataset.scenes) {
    for (const { steerRaw, action } of keyframes) {
      assertEquals(action.steer, Math.fround((steerRaw - mean) / std));
    }
  }
});

Deno.test("readNuscenes clips actions to -1 and 1", async () => {
  const dataset = await readDamaged((root) =>
    editRows(
      join(root, "can_bus/scene-0002_steeranglefeedback.json"),
      (rows) => rows.map((row, i) => ({ ...row, value: i < 75 ? 6.5 : -7.7 })),
    )
  );
  assertEquals(
    dataset.scenes[1]!.keyframes.map(({ action }) => action.steer),
    [1, 1, -1, -1],
  );
});

Deno.test("actionsCsv has a row of 17 columns for every keyframe", async () => {
  const dataset = await readDamaged(
    async (root) => {
      await editRows(
        join(root, "can_bus/scene-0002_pose.json"),
        (rows) =>
          rows.filter((row) => Number(row["utime"]) > TINY_START + 300_000),
      );
    },
    {},
    [...TWO, { name: "scene-0161", keyframes: 2 }],
    { logfile: OFFICIAL },
  );
  const text = actionsCsv(dataset);
  assert(text.endsWith("\n") && !text.includes("\r"));
  const rows = text.trimEnd().split("\n").map((line) => line.split(","));
  assertEquals(rows.length, 1 + 4 + 5 + 2);
  assert(rows.every((row) => row.length === 17));
  assertEquals(
    rows[0]!.join(", "),
    "scene_token, scene_name, sample_token, cam_front_token, image_path, timestamp_us, is_blacklisted_scene, has_steer_msgs, has_pose_msgs, nearest_steer_dt_us, nearest_pose_dt_us, steer_raw, accel_raw, steer_norm, accel_norm, kept, drop_reason",
  );
  assertEquals(rows[1]!.slice(1), [
    "scene-0002",
    "sample-scene-0002-0",
    "camera-scene-0002-0",
    "samples/CAM_FRONT/scene-0002-0.png",
    `${TINY_START}`,
    "False",
    "True",
    "True",
    "0",
    "320000",
    "-0.5",
    `${tinyAccel(0, 0.64)}`,
    "",
    "",
    "0",
    "alignment_exceeded",
  ]);
  // -1/24 and 1/80 in the fewest digits that give the same float32.
  assertEquals(rows[2]!.slice(9), [
    "0",
    "0",
    "-0.25",
    "0.125",
    "-0.041666668",
    "0.0125",
    "1",
    "",
  ]);
  // In the order of scene.json.
  assertEquals(rows[5]!.slice(1, 3), ["scene-0001", "sample-scene-0001-0"]);
  assertEquals(rows[10]!.slice(6), [
    "True",
    "False",
    "False",
    "",
    "",
    "",
    "",
    "",
    "",
    "0",
    "blacklisted_scene",
  ]);
});

Deno.test("qualityReport has the eight published names first", async () => {
  const { quality } = await readDamaged(() => {});
  assertEquals(Object.keys(qualityReport(quality)).slice(0, 8), [
    "max_can_alignment_us",
    "blacklisted_scenes_dropped",
    "blacklisted_scene_ids",
    "samples_dropped_for_tolerance",
    "sample_retention_pct",
    "manifest_sha256",
    "total_keyframes",
    "retained_samples",
  ]);
});
