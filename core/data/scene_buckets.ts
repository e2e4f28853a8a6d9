import lists from "./nuscenes_buckets.json" with { type: "json" };

/** What scenes are compared by. */
export interface SceneBuckets {
  /** Where a scene is; each is in one. */
  readonly scenario: Readonly<Record<string, readonly string[]>>;
  /** At night, in rain, or neither; a scene may be in both of the first. */
  readonly environment: Readonly<
    Record<"night" | "rain" | "day", readonly string[]>
  >;
}

/** Words that put a scene into a scenario; the first that fits counts. */
const SCENARIOS: readonly (readonly [string, RegExp])[] = [
  ["highway", /highway|freeway/],
  ["intersection", /intersection|junction/],
  ["urban", /urban|city|downtown/],
  ["other", /(?:)/],
];

/**
 * Buckets scenes by the words of their descriptions.
 *
 * Source: published code, substrings in lower case.
 *
 * @param scenes with their descriptions
 */
export function bucketScenes(
  scenes: readonly { readonly name: string; readonly description: string }[],
): SceneBuckets {
  const texts = scenes.map(({ name, description }) => ({
    name,
    text: description.toLowerCase(),
  }));
  const having = (test: (text: string) => boolean) =>
    texts.filter(({ text }) => test(text)).map(({ name }) => name);
  const scenarioOf = (text: string) =>
    SCENARIOS.find(([, words]) => words.test(text))?.[0];
  return {
    scenario: Object.fromEntries(
      SCENARIOS.map(([name]) => [
        name,
        having((text) => scenarioOf(text) === name),
      ]),
    ),
    environment: {
      night: having((text) => text.includes("night")),
      rain: having((text) => text.includes("rain")),
      day: having((text) => !/night|rain/.test(text)),
    },
  };
}

/**
 * Buckets test scenes of nuScenes by their names alone, as the descriptions of
 * v1.0-trainval do.
 *
 * @param scenes names
 * @returns undefined if one is no test scene of nuScenes
 */
export function bucketNames(
  scenes: readonly string[],
): SceneBuckets | undefined {
  if (!scenes.every((name) => /^scene-\d{4}$/.test(name))) return undefined;
  const description = (name: string) =>
    Object.entries(lists).filter(([, list]) => list.includes(name))
      .map(([word]) => word).join(" ");
  return bucketScenes(
    scenes.map((name) => ({ name, description: description(name) })),
  );
}
