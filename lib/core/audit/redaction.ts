const MAX_FIELD_LENGTH = 256;

/** Characters that end a line, hide one, or turn the direction of text around: C0, DEL, C1, separators, bidi marks, BOM. */
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** What a ticket and a session token look like, wherever a client has put them, and user and password before a host. */
const SECRETS = /wst_[\w.-]{16,}|[\w-]{16}\.[\w-]{43}(?![\w-])|(?<=\/\/)[^/?#@\s]+(?=@)/g;

/** A word that may have a JWT in it: looked at once, however many places in it look like the beginning of one. */
const WORD_WITH_JWT = /[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)?/g;

/** Names, codes, paths, origins and addresses that are too short, or of the wrong characters, to hold any of those. */
const HARMLESS = /^(?!.*(?:eyJ|wst_))[\w.:/-]{0,59}$/;

/** At most 256 characters of a text (requirement LG-03). */
export function cutText(text: string): string {
  return text.length <= MAX_FIELD_LENGTH ? text : `${text.slice(0, MAX_FIELD_LENGTH)}…`;
}

/**
 * A text that may come from a client, as it may stand in a log of any format: cut, on one line, in one direction, and
 * without anything that looks like a credential (requirements LG-02, LG-03).
 */
export function safeText(text: string): string {
  if (HARMLESS.test(text)) return text;
  const redacted = cutLong(text).replace(WORD_WITH_JWT, redactJwt).replace(SECRETS, '[redacted]');
  return escapeHidden(cutText(redacted));
}

/** A text on one line and in one direction. */
export function escapeHidden(text: string): string {
  return text.search(HIDDEN) < 0 ? text : text.replace(HIDDEN, escapeCharacter);
}

/**
 * One line of JSON, whatever the values hold. `JSON.stringify` escapes C0; DEL, C1, line separators and the marks that
 * turn the direction of text around are escaped here, so that no value ends a line or hides one (requirement LG-03).
 */
export function toLogLine(value: object): string {
  return escapeHidden(JSON.stringify(value));
}

/** A secret that the cut would take apart is not recognised by its rest: so the cut is late, and bounded all the same. */
function cutLong(text: string): string {
  return text.length <= 4 * MAX_FIELD_LENGTH ? text : text.slice(0, 4 * MAX_FIELD_LENGTH);
}

function redactJwt(word: string): string {
  const start = word.indexOf('eyJ');
  const isJwt = start >= 0 && word.indexOf('.') >= start + 7;
  return isJwt ? `${word.slice(0, start)}[redacted]` : word;
}

function escapeCharacter(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
