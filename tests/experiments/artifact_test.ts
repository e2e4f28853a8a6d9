import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { dirname, join } from "@std/path";
import config from "../../deno.json" with { type: "json" };
import {
  type ArtifactFolder,
  Artifacts,
  type ArtifactSpec,
  CorruptedArtifact,
} from "../../core/experiment/artifact.ts";
import {
  type ArtifactUser,
  listArtifacts,
  removeArtifact,
  usedArtifacts,
} from "../../core/experiment/artifact_list.ts";
import { Interrupted } from "../../core/experiment/interrupt.ts";
import { Lock } from "../../core/experiment/lock.ts";
import { NO_SOURCES } from "../support/sources.ts";

/** A folder of artifacts that goes with the test. */
async function temporary() {
  await Deno.mkdir(".test", { recursive: true });
  const root = await Deno.makeTempDir({ dir: ".test", prefix: "artifacts-" });
  const remove = () => Deno.remove(root, { recursive: true });
  return { root, [Symbol.asyncDispose]: remove };
}

const MODEL: ArtifactSpec = { kind: "model", spec: { seed: 1 } };

function artifactsIn(root: string, run = root): Artifacts {
  return new Artifacts({
    root,
    sources: NO_SOURCES,
    command: "./run exp:test",
    user: { experiment: "test", run, begun: "" },
  });
}

/** A work that writes two files, and how often it was done. */
function counted() {
  const work = Object.assign(
    async (folder: ArtifactFolder) => {
      work.times++;
      await Deno.mkdir(folder.file("deep"), { recursive: true });
      await Deno.writeFile(folder.file("deep", "a.bin"), new Uint8Array(999));
      await Deno.writeTextFile(folder.file("b.txt"), "text");
      return { loss: 0.5 };
    },
    { times: 0 },
  );
  return work;
}

/** A process that makes an artifact, and the lines that it printed. */
function maker(...args: (string | number)[]) {
  const child = new Deno.Command("deno", {
    args: [
      "run",
      "--no-prompt",
      "--allow-read=.",
      "--allow-write=.test",
      "tests/support/artifact_maker.ts",
      ...args.map(String),
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines: string[] = [];
  let changed = Promise.withResolvers<void>();
  const reading = (async () => {
    let text = "";
    for await (
      const part of child.stdout.pipeThrough(new TextDecoderStream())
    ) {
      const parts = (text + part).split("\n");
      text = parts.pop() ?? "";
      lines.push(...parts);
      changed.resolve();
      changed = Promise.withResolvers();
    }
  })();
  return {
    lines,
    /** Waits until it printed a line that begins so. */
    async said(start: string) {
      while (!lines.some((line) => line.startsWith(start))) {
        await Promise.race([
          changed.promise,
          reading.then(() => {
            assert(lines.some((line) => line.startsWith(start)), `${lines}`);
          }),
        ]);
      }
    },
    async kill() {
      child.kill("SIGKILL");
      await child.status;
      await reading;
    },
    async end() {
      const { success } = await child.status;
      await reading;
      assert(success, lines.join("\n"));
    },
  };
}

/** The bytes of all files below a folder, but for the record. */
async function bytesIn(folder: string): Promise<Record<string, string>> {
  const bytes: Record<string, string> = {};
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (isDirectory) Object.assign(bytes, await bytesIn(path));
    else if (!/^(artifact|verified)\.json$/.test(name)) {
      bytes[name] = (await Deno.readFile(path)).toHex();
    }
  }
  return bytes;
}

/** Names in the folder of models, digests as D. */
async function namesIn(root: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(join(root, "model")));
  return entries.map(({ name }) => name.replace(/^[0-9a-f]{64}/, "D")).sort();
}

Deno.test("Artifacts digest alike whatever the order of keys, and each part counts", () => {
  const digest = (of: ArtifactSpec) =>
    new Artifacts({ sources: NO_SOURCES, command: "" }).digestOf(of);
  const of = { kind: "model", spec: { b: [1, { d: -0, c: "x" }], a: null } };
  const first = digest(of);
  // hashlib.sha256 of json.dumps(..., sort_keys=True, separators=(",", ":")),
  // sources that of {}
  assertEquals(
    first,
    "602cd81085d44a4a851e565e7a2707c71b1851abf8b926a188c092b9429b2763",
  );
  const same = { spec: { a: null, b: [1, { c: "x", d: 0 }] }, kind: "model" };
  assertEquals(digest(same), first);
  assertEquals(digest({ ...of, from: [] }), first);
  assertEquals(digest({ ...of, spec: { ...of.spec, e: undefined } }), first);
  const others = [
    digest({ ...of, kind: "futures" }),
    digest({ ...of, spec: { ...of.spec, a: false } }),
    digest({ ...of, spec: { ...of.spec, b: [{ c: "x", d: 0 }, 1] } }),
    digest({ ...of, from: ["1", "2"] }),
    digest({ ...of, from: ["2", "1"] }),
    digest({ ...of, from: ["12"] }),
  ];
  assertEquals(new Set([first, ...others]).size, others.length + 1);
});

Deno.test("Artifacts refuse what JSON would change in silence", () => {
  const digest = (spec: unknown, kind = "model") =>
    new Artifacts({ sources: NO_SOURCES, command: "" }).digestOf({
      kind,
      spec,
    });
  const refused: [unknown, string][] = [
    [{ lr: NaN }, "Cannot keep model.spec.lr as JSON: got NaN;"],
    [{ a: [1, Infinity] }, "model.spec.a.1 as JSON: got Infinity;"],
    [{ a: new Float32Array(2) }, "got a Float32Array;"],
    [{ a: new Date(0) }, "got a Date;"],
    [[, 1], "model.spec.0 as JSON: got undefined;"],
    [[undefined], "model.spec.0 as JSON: got undefined;"],
    [1n, "model.spec as JSON: got 1;"],
  ];
  for (const [spec, message] of refused) {
    assertThrows(() => digest(spec), TypeError, message);
  }
  for (const kind of ["", "../x", "Model", "a/b"]) {
    assertThrows(() => digest(1, kind), TypeError, `of kind "${kind}"`);
  }
});

Deno.test("an artifact depends on the sources of its makers, and on no others", () => {
  const sources = {
    root: "/p",
    digests: { "core/a.ts": "1", "core/b.ts": "2", "core/c.ts": "3" },
    uses: { "core/a.ts": ["core/b.ts"] },
  };
  const of = { ...MODEL, by: ["file:///p/core/a.ts"] };
  const digest = (changed: Record<string, string>) =>
    new Artifacts({
      sources: { ...sources, digests: { ...sources.digests, ...changed } },
      command: "",
    }).digestOf(of);
  assertEquals(digest({ "core/c.ts": "4" }), digest({}));
  assertNotEquals(digest({ "core/a.ts": "4" }), digest({}));
  assertNotEquals(digest({ "core/b.ts": "4" }), digest({}));
});

Deno.test("Artifacts are made once, and opened with what was known of them", async () => {
  await using folder = await temporary();
  const { root } = folder;
  const work = counted();
  assertEquals(await artifactsIn(root).open(MODEL), undefined);
  const made = await artifactsIn(root).make(MODEL, work);
  const opened = await artifactsIn(root).make(MODEL, work);
  assertEquals(work.times, 1);
  assertEquals(opened.facts, { loss: 0.5 });
  assertEquals(opened.record, made.record);
  assertEquals(Object.keys(opened.record.files), ["b.txt", "deep/a.bin"]);
  assertEquals(opened.record.files["b.txt"]?.bytes, 4);
  assertEquals(await Deno.readTextFile(opened.file("b.txt")), "text");
  assertEquals(opened.path, join(root, "model", opened.digest));
  assertEquals(await namesIn(root), ["D", "D.uses.jsonl"]);
});

Deno.test("Artifacts asked twice at a time, by one object or two, work once", async () => {
  await using folder = await temporary();
  const { root } = folder;
  const work = counted();
  const one = artifactsIn(root, "x");
  const two = artifactsIn(root, "y");
  const told: string[] = [];
  const log = (line: string) => void told.push(line);
  const begun = Promise.withResolvers<void>();
  const slow = async (folder: ArtifactFolder) => {
    begun.resolve();
    // Until the other one waits, but not for ever.
    for (let i = 0; i < 1000 && told.length === 0; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return await work(folder);
  };
  const make = (by: Artifacts) => by.make(MODEL, slow, { log });
  const first = [make(one), make(one)] as const;
  // The lock is held, and says by whom.
  await begun.promise;
  const all = await Promise.all([...first, make(two)]);
  assertEquals(work.times, 1);
  assertEquals(all[0], all[1]);
  assertEquals(all[0].record, all[2].record);
  assertEquals(told, [
    `waits for another process that makes model ${all[0].digest.slice(0, 8)}`,
  ]);
  const [listed] = await listArtifacts(root);
  assertEquals(listed?.uses.map(({ run }) => run).sort(), ["x", "y"]);
});

Deno.test("Artifacts say what is corrupted, and make it again when asked to", async () => {
  await using folder = await temporary();
  const { root } = folder;
  const work = counted();
  const { path } = await artifactsIn(root).make(MODEL, work);
  /** Files older than 2 seconds are remembered as verified. */
  const settle = () => new Promise((resolve) => setTimeout(resolve, 3100));
  const change = async (name: string, at: number) => {
    using file = await Deno.open(join(path, name), { read: true, write: true });
    const { mtime } = await file.stat();
    const byte = new Uint8Array(1);
    await file.seek(at, Deno.SeekMode.Start);
    await file.read(byte);
    await file.seek(at, Deno.SeekMode.Start);
    await file.write(Uint8Array.of(byte[0]! ^ 1));
    // As a tool does that keeps times.
    await file.utime(mtime!, mtime!);
  };
  const record = (await Deno.readTextFile(join(path, "artifact.json")))
    .indexOf("0.5") + 2;
  const damages: [string, () => Promise<unknown>, string][] = [
    [
      "one byte",
      () => change("deep/a.bin", 500),
      "deep/a.bin has other bytes than were written",
    ],
    [
      "one byte of the record",
      () => change("artifact.json", record),
      "artifact.json has other bytes than were written",
    ],
    [
      "cut",
      () => Deno.truncate(join(path, "deep/a.bin"), 998),
      "deep/a.bin has 998 bytes, 999 were written",
    ],
    [
      "missing",
      () => Deno.remove(join(path, "b.txt")),
      "b.txt is missing",
    ],
    [
      "surplus",
      () => Deno.writeTextFile(join(path, "b.txt.partial"), ""),
      "b.txt.partial does not belong to it",
    ],
    [
      "record cut",
      () => Deno.truncate(join(path, "artifact.json"), 30),
      "artifact.json cannot be read",
    ],
    [
      "no record",
      () => Deno.remove(join(path, "artifact.json")),
      "artifact.json is missing",
    ],
  ];
  await settle();
  await artifactsIn(root).open(MODEL);
  assertStringIncludes(
    await Deno.readTextFile(join(path, "verified.json")),
    "deep/a.bin",
  );
  for (const [i, [name, damage, fault]] of damages.entries()) {
    await damage();
    const artifacts = artifactsIn(root);
    const message =
      `Cannot use ${path}: ${fault}; remove that folder, and the same command makes it again`;
    await assertRejects(
      () => artifacts.open(MODEL),
      CorruptedArtifact,
      message,
      name,
    );
    await assertRejects(
      () => artifacts.make(MODEL, work),
      CorruptedArtifact,
      message,
    );
    assertEquals(work.times, i + 1);
    const told: string[] = [];
    const log = (line: string) => void told.push(line);
    const made = await artifacts.make(MODEL, work, { remake: true, log });
    assertEquals(work.times, i + 2);
    assertStringIncludes(told.join("\n"), fault);
    assertEquals((await artifacts.open(MODEL))?.record, made.record);
  }
  // One that is whole is not made again.
  await artifactsIn(root).make(MODEL, work, { remake: true });
  assertEquals(work.times, damages.length + 1);
  assertEquals(await namesIn(root), ["D", "D.uses.jsonl"]);
});

Deno.test("Artifacts go on after an interruption and an error, and count all seconds", async () => {
  await using folder = await temporary();
  const { root } = folder;
  const adapters = ["first", "second", undefined];
  let tries = 0;
  const make = () => {
    const adapter = adapters[tries];
    return new Artifacts({
      root,
      sources: NO_SOURCES,
      command: "test",
      adapter: () => adapter,
    }).make(MODEL, async ({ file, scratch }) => {
      await Deno.writeTextFile(scratch("tries"), "x", { append: true });
      await Deno.writeTextFile(file("left.partial"), "by a kill");
      await new Promise((resolve) => setTimeout(resolve, 50));
      tries++;
      if (tries === 1) throw new Interrupted(130);
      if (tries === 2) throw new Error("No space left");
      await Deno.copyFile(scratch("tries"), file("tries"));
    });
  };
  await assertRejects(make, Interrupted);
  assertEquals(await namesIn(root), ["D.partial"]);
  const [listed] = await listArtifacts(root);
  assertEquals(listed?.state, "partial");
  assertEquals(listed?.record.adapters, ["first"]);
  await assertRejects(make, Error, "No space left");
  const artifact = await make();
  assertEquals(artifact.facts as unknown, null);
  assertEquals(await Deno.readTextFile(artifact.file("tries")), "xxx");
  assertEquals(await namesIn(root), ["D"]);
  assertEquals(Object.keys(await bytesIn(artifact.path)), ["tries"]);
  assertEquals(artifact.record.adapters, ["first", "second"]);
  assert(artifact.record.seconds >= 0.15, `${artifact.record.seconds} s`);
});

Deno.test("Artifacts keep no facts that JSON would change, and lose no work by it", async () => {
  await using folder = await temporary();
  const { root } = folder;
  const make = (loss: number) =>
    artifactsIn(root).make(MODEL, async ({ scratch }) => {
      await Deno.writeTextFile(scratch("x"), "x", { append: true });
      return { loss, text: await Deno.readTextFile(scratch("x")) };
    });
  await assertRejects(
    () => make(NaN),
    TypeError,
    "Cannot keep model.facts.loss as JSON: got NaN;",
  );
  assertEquals((await make(1)).facts, { loss: 1, text: "xx" });
});

Deno.test("Artifacts that wait can be interrupted", async () => {
  await using folder = await temporary();
  const { root } = folder;
  const artifacts = artifactsIn(root);
  await Deno.mkdir(join(root, "model"));
  const path = join(root, "model", `${artifacts.digestOf(MODEL)}.lock`);
  using _ = await Lock.take(path);
  const interrupt = {
    requested: true,
    check: () => {
      throw new Interrupted(143);
    },
  };
  await assertRejects(
    () => artifacts.make(MODEL, counted(), { interrupt }),
    Interrupted,
  );
});

Deno.test("Artifacts that another hand put in place meanwhile stay", async () => {
  await using folder = await temporary();
  const { root } = folder;
  await using elsewhere = await temporary();
  const other = await artifactsIn(elsewhere.root).make(MODEL, counted());
  const artifact = await artifactsIn(root).make(MODEL, async (own) => {
    const to = own.path.replace(/\.partial$/, "");
    await Deno.mkdir(join(to, "deep"), { recursive: true });
    for (const name of ["artifact.json", "b.txt", "deep/a.bin"]) {
      await Deno.copyFile(other.file(name), join(to, name));
    }
    return { loss: 7 };
  });
  assertEquals(artifact.facts, { loss: 0.5 });
  assertEquals(await namesIn(root), ["D", "D.uses.jsonl"]);
});

Deno.test("Artifacts killed after their record are finished without work", async () => {
  await using folder = await temporary();
  const { root } = folder;
  const work = counted();
  const { path } = await artifactsIn(root).make(MODEL, work);
  await Deno.rename(path, `${path}.partial`);
  await artifactsIn(root).make(MODEL, work);
  assertEquals(work.times, 1);
  assertEquals(await namesIn(root), ["D", "D.uses.jsonl"]);
});

Deno.test("an artifact whose makers are killed is that of an uninterrupted one", async () => {
  await using folder = await temporary();
  await using elsewhere = await temporary();
  const { root } = folder;
  const whole = maker(elsewhere.root, 200, 0);
  const first = maker(root, 200, 20);
  await first.said("step 5");
  // It waits, sees that the holder was killed, and goes on at once.
  const second = maker(root, 200, 20);
  await second.said("waits for another process that makes model");
  await first.kill();
  const killed = performance.now();
  await second.said("goes on");
  const waited = performance.now() - killed;
  assert(waited < 2000, `went on after ${waited} ms`);
  await second.said("step");
  await second.kill();
  const third = maker(root, 200, 0);
  await third.end();
  assertStringIncludes(
    third.lines[0]!,
    "looks whether another process still makes model",
  );
  await whole.end();
  assertEquals(third.lines.includes("begins"), false);
  assertEquals(third.lines.includes("step 5"), false);
  const path = async (root: string) => (await listArtifacts(root))[0]!.path;
  assertEquals(
    await bytesIn(await path(root)),
    await bytesIn(await path(elsewhere.root)),
  );
  assertEquals(await namesIn(root), ["D", "D.uses.jsonl"]);
  const [listed] = await listArtifacts(root);
  assertEquals(listed?.record.adapters?.length, 3);
  assertEquals(listed?.uses.length, 3);
});

for (const locks of ["working", "missing", "idle"]) {
  Deno.test(`processes that start together make one artifact, with locks ${locks}`, async () => {
    await using folder = await temporary();
    const { root } = folder;
    const makers = [1, 2, 3].map(() => maker(root, 10, 50, locks));
    for (const one of makers) await one.end();
    const begun = makers.filter(({ lines }) => lines.includes("begins"));
    assertEquals(begun.length, 1, JSON.stringify(makers.map((m) => m.lines)));
    assertEquals(await namesIn(root), ["D", "D.uses.jsonl"]);
  });
}

Deno.test("an artifact is made once where locks do not exclude and its maker falls silent", async () => {
  await using folder = await temporary();
  const { root } = folder;
  const silent = maker(root, 5, "blocks", "idle");
  await silent.said("step 0");
  const other = maker(root, 5, 900, "idle");
  await silent.end();
  await other.end();
  assert(other.lines.includes("goes on"), other.lines.join("\n"));
  assertEquals(await namesIn(root), ["D", "D.uses.jsonl"]);
  const [listed] = await listArtifacts(root);
  assertEquals(listed?.state, "whole");
  assertEquals(
    (await bytesIn(dirname(join(listed!.path, "x"))))["loss.json"],
    new TextEncoder().encode("[1]\n").toHex(),
  );
});

Deno.test("listArtifacts says who needs what, and removeArtifact spares what is made", async () => {
  await using folder = await temporary();
  const { root } = folder;
  const gone = join(root, "run");
  await Deno.mkdir(gone);
  const { digest } = await artifactsIn(root, gone).make(MODEL, counted());
  const futures = { kind: "futures", spec: 1, from: [digest] };
  await artifactsIn(root).make(futures, counted());
  const other = { kind: "futures", spec: 2 };
  await artifactsIn(root, gone).make(other, counted());
  const needed = async () =>
    (await listArtifacts(root)).map(({ kind, isNeeded }) => [kind, isNeeded]);
  assertEquals(
    await needed(),
    [["futures", true], ["futures", true], ["model", true]],
  );
  await Deno.remove(gone);
  // What is made from the model is needed.
  assertEquals(
    await needed(),
    [["futures", true], ["futures", false], ["model", true]],
  );
  // A use whose writing was killed does not hide the others.
  const uses = join(root, "model", `${digest}.uses.jsonl`);
  await Deno.writeTextFile(uses, '{"experi', { append: true });
  await artifactsIn(root, "elsewhere").open(MODEL);
  const [, second, model] = await listArtifacts(root);
  assertEquals(model!.uses.map(({ run }) => run), [gone, "elsewhere"]);

  const lock = await Lock.take(`${second!.path}.lock`);
  assertEquals(await removeArtifact(second!), false);
  lock[Symbol.dispose]();
  assertEquals(await removeArtifact(second!), true);
  assertEquals(await artifactsIn(root).open(other), undefined);
  assertEquals((await listArtifacts(root)).length, 2);
  assertEquals(await listArtifacts(join(root, "nowhere")), []);
});

/** Runs `cache` as its task does. */
async function cache(folder: string, ...args: string[]) {
  const words = config.tasks.cache.command
    .replaceAll('"', "")
    .replace("$WORLD_ACTION_READ", "")
    .replace("$WORLD_ACTION_WRITE", `,${folder}`)
    .split(" ");
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    args: [...words.slice(1), "--cache", folder, ...args],
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), error: text(stderr) };
}

Deno.test("cache lists artifacts, and removes what is named twice", async () => {
  await using folder = await temporary();
  const { root } = folder;
  const artifacts = join(root, "artifacts");
  assertEquals((await cache(root)).out, `Nothing in ${artifacts}\n`);
  const model = await artifactsIn(artifacts).make(MODEL, counted());
  const unused = await artifactsIn(artifacts, "nowhere")
    .make({ kind: "futures", spec: 1 }, counted());
  await assertRejects(
    () =>
      artifactsIn(artifacts, root).make({ kind: "model", spec: 2 }, () => {
        throw new Error("stopped");
      }),
    Error,
  );
  const { out, code } = await cache(root);
  assertEquals(code, 0);
  const lines = out.trimEnd().split("\n").map((line) => line.split(/ {2,}/));
  assertEquals(lines.slice(0, 4).map((cells) => cells.toSpliced(1, 3)), [
    ["kind", "state", "needed by", "made by"],
    ["futures", "whole", "unused", "./run exp:test"],
    ["model", "whole", "test", "./run exp:test"],
    ["model", "partial", "test", "./run exp:test"],
  ]);
  assertEquals(lines[1]![1], unused.digest.slice(0, 12));
  assertStringIncludes(out, "3 artifacts, ");
  assertStringIncludes(out, "unused: 1 artifact, ");
  const json = JSON.parse((await cache(root, "--json")).out);
  assertEquals(json.length, 3);
  assertEquals(json[1].record.facts, { loss: 0.5 });

  const refused: [string[], string][] = [
    [
      ["--remove", "modle"],
      "Cannot remove modle: it needs one of the kinds futures, model, at least 4 letters of a digest, or unused",
    ],
    [["--remove", unused.digest.slice(0, 3)], "at least 4 letters"],
    [
      ["--remove", "model", "--confirm", "unused"],
      "it needs the name that --remove has",
    ],
    [["--confirm", "model"], "it needs the name that --remove has"],
    [["--json", "--remove", "model"], "Cannot use --json with --remove"],
  ];
  for (const [args, message] of refused) {
    const { code, error } = await cache(root, ...args);
    assertEquals(code, 2);
    assertStringIncludes(error, message);
  }
  const shown = await cache(root, "--remove", "unused");
  assertStringIncludes(shown.out, "--remove unused --confirm unused");
  assertEquals((await listArtifacts(artifacts)).length, 3);
  const twice = async (name: string) =>
    await cache(root, "--remove", name, "--confirm", name);
  assertStringIncludes((await twice("unused")).out, "Removed futures");
  assertEquals((await twice("unused")).out, `Nothing unused in ${artifacts}\n`);
  await twice(`model/${model.digest.slice(0, 6)}`);
  const [left, ...more] = await listArtifacts(artifacts);
  assertEquals([left?.state, more], ["partial", []]);
  const lock = await Lock.take(`${left!.path.replace(".partial", "")}.lock`);
  const held = await twice("model");
  assertEquals(held.code, 1);
  assertStringIncludes(held.error, "a process is making it");
  lock[Symbol.dispose]();
  await twice("model");
  assertEquals(await listArtifacts(artifacts), []);
  assertEquals(await namesIn(artifacts), []);
});

Deno.test("usedArtifacts knows a run that started over from what it was before", async () => {
  await using folder = await temporary();
  const { root } = folder;
  const before = { experiment: "test", run: "x", begun: "1" };
  const after = { ...before, begun: "2" };
  const making = { root, sources: NO_SOURCES, command: "c" };
  const work = () => Promise.resolve({});
  const make = (user: ArtifactUser, spec: string) =>
    new Artifacts({ ...making, user }).make({ kind: "model", spec }, work);
  const old = await make(before, "old");
  const both = await make(before, "both");
  await make(after, "both");
  const used = await usedArtifacts(root, after);
  assertEquals(used.map(({ digest }) => digest), [both.digest]);
  const listed = await listArtifacts(root);
  const runs = listed.map(({ digest, uses }) => [digest, uses.length]);
  assertEquals(
    new Map(runs as [string, number][]),
    new Map([[old.digest, 1], [both.digest, 1]]),
  );
});

Deno.test("artifacts are listed while others are made", async () => {
  await using folder = await temporary();
  const { root } = folder;
  let isDone = false;
  const making = async () => {
    for (let seed = 0; seed < 40; seed++) {
      await artifactsIn(root).make(
        { kind: "model", spec: { seed } },
        counted(),
      );
    }
    isDone = true;
  };
  const listing = async () => {
    while (!isDone) await listArtifacts(root);
  };
  await Promise.all([making(), listing()]);
  const user = { experiment: "test", run: root, begun: "" };
  assertEquals((await usedArtifacts(root, user)).length, 40);
});
