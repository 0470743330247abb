/** How large a message may be in structure; its size in bytes is the frame layer's. */
export interface JsonLimits {
  /** How deep objects and lists may lie in one another. */
  readonly maxDepth: number;
  /** Keys and items, all in all. */
  readonly maxNodes: number;
}

/** What is wrong with a message that parses. */
export type JsonOffence = 'too_deep' | 'too_many_nodes' | 'forbidden_key';

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

/**
 * Looks at the text of a message before it is parsed: a few thousand brackets are enough to make whatever walks over the
 * parsed value later run out of stack (requirement MS-05). One pass, no recursion; text in quotes is skipped. What is not
 * JSON at all is left for the parser to refuse.
 */
export function findStructureOffence(text: string, limits: JsonLimits): JsonOffence | null {
  // So many nodes and so many brackets would not fit.
  if (text.length < limits.maxNodes && text.length < 2 * limits.maxDepth) return null;
  let depth = 0;
  let nodes = 0;
  for (let index = 0; index < text.length; index += 1) {
    switch (text.charCodeAt(index)) {
      case QUOTE:
        index = endOfString(text, index);
        break;
      case 0x7b: // {
      case 0x5b: // [
        depth += 1;
        nodes += 1;
        if (depth > limits.maxDepth) return 'too_deep';
        break;
      case 0x7d: // }
      case 0x5d: // ]
        depth -= 1;
        break;
      case COMMA:
        nodes += 1;
        break;
    }
    if (nodes > limits.maxNodes) return 'too_many_nodes';
  }
  return null;
}

/** The place of the quote that ends a string; the end of the text when there is none. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}

/** True for a text that may hold a key of {@link hasForbiddenKey}: the parsed value is looked at only then. */
export function mayHoldForbiddenKey(text: string): boolean {
  return text.includes('__proto__') || text.includes('prototype') || text.includes('\\u');
}

/**
 * True when a parsed message has the key `__proto__` anywhere, or `constructor` with a `prototype` in it: a merge of such
 * a value into another one changes every object of the process (requirement MS-04).
 */
export function hasForbiddenKey(message: unknown): boolean {
  const open: unknown[] = [message];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value !== 'object' || value === null) continue;
    if (Object.hasOwn(value, '__proto__')) return true;
    if (Object.hasOwn(value, 'constructor') && hasOwnPrototype(value.constructor)) return true;
    for (const inner of Object.values(value)) open.push(inner);
  }
  return false;
}

function hasOwnPrototype(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype');
}
