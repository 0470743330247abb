/** How many sentences a client is told, and how long each may be. */
const MAX_SENTENCES = 32;
const MAX_LENGTH = 256;

/** How many values of a message are compared with a sentence: where there are more, no sentence is told as it is. */
const MAX_VALUES = 1_000;

/** Shorter values stand in sentences by chance. */
const MIN_VALUE_LENGTH = 3;

/** What class-validator says of a property that is not listed: the client has chosen its name. */
const UNKNOWN_PROPERTY = /\bproperty \S.* should not exist$/s;
const UNKNOWN_CONSTRAINT = 'whitelistValidation';
const UNKNOWN_TOLD = 'a property should not exist';

/** What a program would name a property: anything else was named by the client. */
const NAME = /^[A-Za-z_$][\w$]{0,63}$/;

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
 * for, is replaced (requirement MS-06), also in another case or without the blanks around it. The names of fields are told:
 * in a `Map` they are the client's own, and told as far as they look like names.
 *
 * Not seen: what a pipe has made of a value otherwise, and values of one or two characters.
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
  const own = Object.entries(error.constraints ?? {}).flatMap(([constraint, text]) => {
    if (constraint === UNKNOWN_CONSTRAINT) return [UNKNOWN_TOLD];
    return typeof text === 'string' ? [path === '' ? text : `${path}.${text}`] : [];
  });
  const below = path === '' ? `${String(error.property)}` : `${path}.${String(error.property)}`;
  return [...own, ...(error.children ?? []).flatMap((child) => sentencesOf(child, below))];
}

/** @param values `null` when there are more than can be compared */
function withoutInput(sentence: string, values: readonly string[] | null): string {
  if (sentence === UNKNOWN_TOLD || UNKNOWN_PROPERTY.test(sentence)) return UNKNOWN_TOLD;
  if (!values) return 'a field is not valid';
  const repeats = (text: string): boolean => {
    const compared = text.toLowerCase();
    return values.some((value) => compared.includes(value));
  };
  if (sentence.length <= MAX_LENGTH && !repeats(sentence)) return sentence;
  const field = FIELD.exec(sentence)?.[0];
  return field !== undefined && !repeats(field) ? `${field}is not valid` : 'a field is not valid';
}

/** The texts and numbers in a message, and names that no program would give, as they are compared with a sentence. */
function textsIn(payload: unknown): string[] | null {
  const texts: string[] = [];
  const waiting: unknown[] = [payload];
  for (let looked = 0; waiting.length > 0; looked += 1) {
    if (looked + waiting.length > MAX_VALUES) return null;
    const value = waiting.pop();
    if (typeof value === 'object' && value !== null) {
      waiting.push(...Object.values(value).slice(0, MAX_VALUES));
      if (!Array.isArray(value)) texts.push(...Object.keys(value).filter((name) => !NAME.test(name)));
    } else if (typeof value === 'string' || typeof value === 'number') texts.push(String(value));
  }
  return texts.map((text) => text.trim().toLowerCase()).filter((text) => text.length >= MIN_VALUE_LENGTH);
}
