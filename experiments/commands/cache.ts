/**
 * Lists what experiments made and keep for each other, and removes what is
 * named.
 *
 * @module
 */

import { join } from "@std/path";
import { z } from "zod";
import {
  listArtifacts,
  type ListedArtifact,
  removeArtifact,
} from "../../core/experiment/artifact_list.ts";
import { parseCommand, runCommand } from "../../core/experiment/command.ts";
import { UsageError } from "../../core/experiment/flags.ts";

const HELP = `cache: what experiments made and keep for each other

  --remove NAME     a KIND, a DIGEST (its first letters suffice) or unused; says
                    what would go
  --confirm NAME    the same name once more: removes it
  --cache DIR       folder that --cache named when it was made (data)
  --json            print the list as JSON

Unused is what no run needs whose folder is still there. What a process is
making at this moment stays. What an experiment misses, it makes again.`;

const text = z.string().min(1);

const Options = z.strictObject({
  _: z.tuple([], "options begin with --"),
  remove: text.optional(),
  confirm: text.optional(),
  cache: text.default("data"),
  json: z.boolean().default(false),
});

/** Letters of a digest that are shown. */
const SHOWN = 12;

/** Fewest letters that name a digest. */
const FEWEST = 4;

function sizeText(bytes: number): string {
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  if (bytes < 1e9) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

function ageText(date: string): string {
  const minutes = (Date.now() - Date.parse(date)) / 60_000;
  if (minutes < 60) return `${Math.max(0, Math.round(minutes))} min`;
  if (minutes < 48 * 60) return `${Math.round(minutes / 60)} h`;
  return `${Math.round(minutes / 60 / 24)} d`;
}

/** Says who needs an artifact: runs, or what is made from it. */
function neededBy({ uses, isNeeded }: ListedArtifact): string {
  if (!isNeeded) return "unused";
  const names = new Set(uses.map(({ experiment }) => experiment));
  return [...names].join(", ") || "what is made from it";
}

/** Prints artifacts as a table, and how much they are. */
function show(list: readonly ListedArtifact[]): void {
  const head = [
    ["kind", "digest", "size", "age", "state", "needed by", "made by"],
  ];
  const rows = list.map((artifact) => [
    artifact.kind,
    artifact.digest.slice(0, SHOWN),
    sizeText(artifact.bytes),
    ageText(artifact.date),
    artifact.state,
    neededBy(artifact),
    artifact.record.command ?? "",
  ]);
  const lines = [...head, ...rows];
  const widths = lines[0]!.map((_, i) =>
    Math.max(...lines.map((line) => line[i]!.length))
  );
  for (const line of lines) {
    const cells = line.map((cell, i) =>
      i === 2 || i === 3 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)
    );
    console.log(cells.join("  ").trimEnd());
  }
  const unused = list.filter(({ isNeeded }) => !isNeeded);
  console.log(`${summary(list)}; unused: ${summary(unused)}`);
}

function summary(list: readonly ListedArtifact[]): string {
  const bytes = list.reduce((sum, artifact) => sum + artifact.bytes, 0);
  const noun = list.length === 1 ? "artifact" : "artifacts";
  return `${list.length} ${noun}, ${sizeText(bytes)}`;
}

/**
 * Finds what a name stands for.
 *
 * @throws {UsageError} if that is nothing, or the beginning of two digests
 */
function named(
  list: readonly ListedArtifact[],
  name: string,
): ListedArtifact[] {
  if (name === "unused") return list.filter(({ isNeeded }) => !isNeeded);
  const ofKind = list.filter(({ kind }) => kind === name);
  if (ofKind.length > 0) return ofKind;
  const [digest = "", kind] = name.split("/").reverse();
  const found = digest.length < FEWEST
    ? []
    : list.filter((artifact) =>
      artifact.digest.startsWith(digest) &&
      (kind === undefined || artifact.kind === kind)
    );
  const digests = new Set(found.map((artifact) => artifact.digest));
  if (digests.size === 1) return found;
  const kinds = [...new Set(list.map(({ kind }) => kind))];
  throw new UsageError(
    digests.size > 1
      ? `Cannot remove ${name}: ${digests.size} digests begin so; write more of it`
      : `Cannot remove ${name}: it needs one of the kinds ${
        kinds.join(", ") || "(there are none)"
      }, at least ${FEWEST} letters of a digest, or unused`,
  );
}

async function cache(args: readonly string[]): Promise<number> {
  const options = parseCommand(Options, ["json"], args);
  const { remove, confirm, json } = options;
  if (confirm !== remove && confirm !== undefined) {
    throw new UsageError(
      `Cannot use --confirm ${confirm}: it needs the name that --remove has`,
    );
  }
  if (json && remove !== undefined) {
    throw new UsageError("Cannot use --json with --remove: it is of the list");
  }
  const root = join(options.cache, "artifacts");
  const list = await listArtifacts(root);
  if (json) {
    console.log(JSON.stringify(list, null, 2));
    return 0;
  }
  const chosen = remove === undefined ? list : named(list, remove);
  if (chosen.length === 0) {
    console.log(
      `${remove === undefined ? "Nothing" : "Nothing unused"} in ${root}`,
    );
    return 0;
  }
  if (confirm === undefined) {
    show(chosen);
    if (remove !== undefined) {
      console.log(
        `Nothing is removed yet. To remove: --remove ${remove} --confirm ${remove}`,
      );
    }
    return 0;
  }
  let status = 0;
  for (const artifact of chosen) {
    const name = `${artifact.kind} ${artifact.digest.slice(0, SHOWN)}`;
    if (await removeArtifact(artifact)) {
      console.log(`Removed ${name}, ${sizeText(artifact.bytes)}`);
    } else {
      status = 1;
      console.error(
        `Cannot remove ${name}: a process is making it; wait for it, or stop it`,
      );
    }
  }
  return status;
}

if (import.meta.main) await runCommand(HELP, cache, Deno.args);
