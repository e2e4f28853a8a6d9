/** Values of a shader's knobs by name: numbers for constants, names for aliases. */
export type Knobs = Readonly<Record<string, number | string | boolean>>;

const CONSTANT =
  /^const ([A-Z][A-Z0-9_]*): (u32|i32|f32|bool) = ([^;]+);(\s*\/\/ knob:.*)$/;
const ALIAS = /^alias ([A-Z]\w*) = (\w+);(\s*\/\/ knob:.*)$/;

/**
 * Replaces the values of marked declarations in WGSL text and nothing else.
 *
 * A knob is a module-scope line `const NAME: u32 = 64u; // knob: ...` or
 * `alias Name = f32; // knob: ...`. An alias that becomes `f16` also puts
 * `enable f16;` first.
 *
 * @param shader name for messages
 * @param source WGSL text
 * @param knobs new values; names that are absent keep their default
 * @returns WGSL text with the values in place
 * @throws {TypeError} if the text has no knob of a given name
 */
export function setKnobs(shader: string, source: string, knobs: Knobs): string {
  const left = new Map(Object.entries(knobs));
  const names: string[] = [];
  let halves = false;
  const lines = source.split("\n").map((line) => {
    const constant = CONSTANT.exec(line);
    if (constant) {
      const [, name = "", type = "", , mark = ""] = constant;
      names.push(name);
      const value = left.get(name);
      if (value === undefined) return line;
      left.delete(name);
      return `const ${name}: ${type} = ${literal(type, value)};${mark}`;
    }
    const alias = ALIAS.exec(line);
    if (alias) {
      const [, name = "", , mark = ""] = alias;
      names.push(name);
      const value = left.get(name);
      if (value === undefined) return line;
      left.delete(name);
      if (value === "f16") halves = true;
      return `alias ${name} = ${value};${mark}`;
    }
    return line;
  });
  const unknown = left.keys().next().value;
  if (unknown !== undefined) {
    throw new TypeError(
      `Cannot set knob "${unknown}" of shader "${shader}": it has ${
        names.join(", ") || "none"
      }`,
    );
  }
  return (halves ? "enable f16;\n" : "") + lines.join("\n");
}

function literal(type: string, value: number | string | boolean): string {
  if (type === "u32") return `${value}u`;
  if (type === "f32" && Number.isInteger(value)) return `${value}.0`;
  return String(value);
}
