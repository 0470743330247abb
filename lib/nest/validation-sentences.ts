/** How many sentences a client is told, and how long each may be. */
const MAX_SENTENCES = 32;
const MAX_LENGTH = 256;

/** How many values of a message are compared with a sentence. */
const MAX_VALUES = 1_000;

/** Shorter values stand in sentences by chance. */
const MIN_VALUE_LENGTH = 3;

/** What class-validator says of a property that is not listed: the client has chosen its name. */
const UNKNOWN_PROPERTY = /\bproperty \S.* should not exist$/s;

/** The path of a field, as a program would write it. */
const FIELD = /^[A-Za-z_$][\w$]{0,63}(?:\.(?:\d{1,6}|[A-Za-z_$][\w$]{0,63})){0,15} /;

/** An error of class-validator, as a pipe with an `exceptionFactory` of its own hands it on. */
interface FieldError {
  readonly property?: unknown;
  readonly constraints?: Readonly<Record<string, unknown>>;
  readonly children?: readonly FieldError[];
}

/**
 * The sentences of a validation as a client may read them: one for each field that was refused, by the words of the
 * application. A sentence that repeats what the client has sent, be it a value or the name of a property that nobody asked
 * for, is replaced (requirement MS-06). The names of fields are told: in a `Map` they are the client's own, and told as far
 * as they look like names.
 *
 * @param found what the exception holds: sentences, or errors of class-validator
 * @param payload the message
 */
export function validationSentences(found: readonly unknown[], payload: unknown): string[] {
  const sentences = found.flatMap((entry) => (typeof entry === 'string' ? entry : sentencesOf(entry, '')));
  const values = textsIn(payload);
  return sentences.slice(0, MAX_SENTENCES).map((sentence) => withoutInput(sentence, values));
}

/** True for what a pipe throws with the errors of class-validator in it, which hold the message itself. */
export function isFieldErrors(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length > 0 && value.every((entry) => isFieldError(entry));
}

function isFieldError(entry: unknown): entry is FieldError {
  if (typeof entry !== 'object' || entry === null) return false;
  return 'constraints' in entry || Array.isArray((entry as FieldError).children);
}

function sentencesOf(error: unknown, path: string): string[] {
  if (!isFieldError(error)) return [];
  const own = Object.values(error.constraints ?? {}).filter((text) => typeof text === 'string');
  const below = path === '' ? `${String(error.property)}` : `${path}.${String(error.property)}`;
  return [
    ...own.map((text) => (path === '' ? text : `${path}.${text}`)),
    ...(error.children ?? []).flatMap((child) => sentencesOf(child, below)),
  ];
}

function withoutInput(sentence: string, values: readonly string[]): string {
  if (UNKNOWN_PROPERTY.test(sentence)) return 'a property should not exist';
  const repeats = sentence.length > MAX_LENGTH || values.some((value) => sentence.includes(value));
  if (!repeats) return sentence;
  const field = FIELD.exec(sentence)?.[0];
  const isOwnName = field !== undefined && !values.some((value) => field.includes(value));
  return isOwnName ? `${field}is not valid` : 'a field is not valid';
}

/** The texts and numbers in a message, as they would stand in a sentence. */
function textsIn(payload: unknown): string[] {
  const texts: string[] = [];
  const waiting: unknown[] = [payload];
  for (let looked = 0; waiting.length > 0 && looked < MAX_VALUES; looked += 1) {
    const value = waiting.pop();
    if (typeof value === 'object' && value !== null)
      waiting.push(...Object.values(value).slice(0, MAX_VALUES));
    else if (typeof value === 'string' || typeof value === 'number') texts.push(String(value));
  }
  return texts.filter((text) => text.length >= MIN_VALUE_LENGTH);
}
