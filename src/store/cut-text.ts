/** The longest text in a fact: 64 kB of UTF-8. */
export const MAX_TEXT_BYTES = 65_536;

/** The beginning of a text in at most `maxBytes` of UTF-8, cut between characters, and whether anything was cut off. */
export function cutText(text: string, maxBytes = MAX_TEXT_BYTES): { text: string; isTruncated: boolean } {
  // One UTF-16 unit is at most three bytes: most texts need no counting.
  if (text.length * 3 <= maxBytes) return { text, isTruncated: false };
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(maxBytes));
  return { text: text.slice(0, read), isTruncated: read < text.length };
}
