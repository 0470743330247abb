const MAX_FIELD_LENGTH = 256;

/** Characters that end a line, hide one, or turn the direction of text around: C0, DEL, C1, separators, bidi marks, BOM. */
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** What a ticket, a session token or a JWT looks like, wherever a client has put it. None of them is tried in mid-word. */
const SECRETS =
  /wst_[\w.-]{16,}|(?<![\w-])(?:eyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)?|[\w-]{16}\.[\w-]{43}(?![\w-]))/g;

/** At most 256 characters of a text (requirement LG-03). */
export function cutText(text: string): string {
  return text.length <= MAX_FIELD_LENGTH ? text : `${text.slice(0, MAX_FIELD_LENGTH)}…`;
}

/**
 * A text that may come from a client, as it may stand in a log of any format: cut, on one line, in one direction, and
 * without anything that looks like a credential (requirements LG-02, LG-03).
 */
export function safeText(text: string): string {
  return cutText(cutLong(text).replace(SECRETS, '[redacted]')).replace(HIDDEN, escapeCharacter);
}

/**
 * One line of JSON, whatever the values hold. `JSON.stringify` escapes C0; DEL, C1, line separators and the marks that
 * turn the direction of text around are escaped here, so that no value ends a line or hides one (requirement LG-03).
 */
export function toLogLine(value: object): string {
  return JSON.stringify(value).replace(HIDDEN, escapeCharacter);
}

/** A secret that the cut would take apart is not recognised by its rest: so the cut is late, and bounded all the same. */
function cutLong(text: string): string {
  return text.length <= 4 * MAX_FIELD_LENGTH ? text : text.slice(0, 4 * MAX_FIELD_LENGTH);
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
