/** A text frame up to this size is joined with others. The copy of a larger one would cost more than the write that it saves. */
const MAX_JOINED_BYTES = 16_384;

/** The head of an unmasked text frame, FIN set, up to 125 bytes (RFC 6455 §5.2): a character for each byte. */
const SHORT_HEADS = Array.from({ length: 126 }, (_, bytes) => String.fromCharCode(0x81, bytes));

/**
 * A text as the frame that a server sends, a character for each byte, so that the frames of one turn can be joined by `+`
 * and written at once; `undefined` for a text that is better sent by itself.
 */
export function textFrame(text: string): string | undefined {
  if (text.length > MAX_JOINED_BYTES) return undefined;
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_JOINED_BYTES) return undefined;
  const body = bytes === text.length ? text : Buffer.from(text).toString('latin1');
  const head = SHORT_HEADS[bytes] ?? `\x81\x7e${String.fromCharCode(bytes >> 8, bytes & 0xff)}`;
  return head + body;
}
