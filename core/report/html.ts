const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/**
 * Escapes text for HTML content and for quoted attributes.
 *
 * @param text any text
 * @returns text without the five characters that have a meaning in HTML
 */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (mark) => ENTITIES[mark] ?? mark);
}

/**
 * Packs bytes into an address that needs no file.
 *
 * @param bytes content of the file
 * @param type media type, such as "image/png"
 * @returns `data:` address in base64
 */
export function dataUri(bytes: Uint8Array, type: string): string {
  // One call of fromCharCode takes a limited number of arguments.
  const chunks: string[] = [];
  for (let start = 0; start < bytes.length; start += 8192) {
    chunks.push(
      String.fromCharCode(...bytes.subarray(start, start + 8192)),
    );
  }
  return `data:${type};base64,${btoa(chunks.join(""))}`;
}
