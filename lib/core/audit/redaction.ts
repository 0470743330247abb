const MAX_FIELD_LENGTH = 256;

/** At most 256 characters of a text (requirement LG-03). */
export function cutText(text: string): string {
  return text.length <= MAX_FIELD_LENGTH ? text : `${text.slice(0, MAX_FIELD_LENGTH)}…`;
}

/**
 * One line of JSON, whatever the values hold. `JSON.stringify` escapes C0; DEL, C1, line separators and the marks that
 * turn the direction of text around are escaped here, so that no value ends a line or hides one (requirement LG-03).
 */
export function toLogLine(value: object): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
