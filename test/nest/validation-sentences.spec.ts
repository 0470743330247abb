import 'reflect-metadata';
import { plainToInstance } from 'class-transformer';
import {
  IsInt,
  IsString,
  MaxLength,
  MinLength,
  validateSync,
  ValidateNested,
  IsArray,
} from 'class-validator';
import { Type } from 'class-transformer';
import { describe, expect, it } from 'vitest';
import { isFieldErrors, validationSentences } from '../../lib/nest/validation-sentences.js';

class Part {
  @IsInt()
  size!: number;
}

class Note {
  @IsString()
  @MinLength(3)
  title!: string;

  @MaxLength(3, { message: 'word is too long: $value' })
  word = '';

  @IsArray()
  @ValidateNested({ each: true })
  @Type(() => Part)
  parts: Part[] = [];
}

const options = { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: true };
const errorsOf = (payload: object) => validateSync(plainToInstance(Note, payload), options);

describe('validationSentences', () => {
  it('hands on the sentences of an application', () => {
    expect(validationSentences(['title must be a string'], { title: 5 })).toEqual(['title must be a string']);
  });

  it('reads the errors of class-validator, nested ones too, and nothing of the message in them', () => {
    const payload = { title: 'ab', parts: [{ size: 1 }, { size: 'canary' }] };
    const errors = errorsOf(payload);
    expect(isFieldErrors(errors)).toBe(true);
    expect(JSON.stringify(errors)).toContain('canary');
    expect(validationSentences(errors, payload)).toEqual([
      'title must be longer than or equal to 3 characters',
      'parts.1.size must be an integer number',
    ]);
  });

  it('repeats neither a name that the client has chosen nor a value that a message of the application names', () => {
    const payload = { title: 'fine', 'canary-7f3a': 1, word: '<canary-7f3a>' };
    const sentences = validationSentences(errorsOf(payload), payload);
    expect(sentences.toSorted()).toEqual(['a property should not exist', 'word is not valid']);
    expect(JSON.stringify(sentences)).not.toContain('canary');
    const nested = validationSentences(['a.b.property canary should not exist'], {});
    expect(nested).toEqual(['a property should not exist']);
    expect(validationSentences(['canary must be long'], { text: 'canary' })).toEqual([
      'a field is not valid',
    ]);
  });

  it.each<[string, object, string]>([
    ['in another case', { word: 'CANARY-7F3A' }, 'word is too long: canary-7f3a'],
    ['without the blanks around it', { word: '  canary-7f3a ' }, 'word is too long: canary-7f3a'],
    ['that is the name of an entry', { map: { 'canary-7f3a': 1 } }, 'map.canary-7f3a must be a string'],
    ['of another language', { 'canary-7f3a': 1 }, 'la propiedad canary-7f3a no debe existir'],
    [
      'behind a thousand others',
      { word: 'canary-7f3a', many: Array.from({ length: 2_000 }, (_, index) => index) },
      'word is too long: canary-7f3a',
    ],
  ])('repeats nothing %s', (_, payload, sentence) => {
    const [told] = validationSentences([sentence], payload);
    expect(told).toMatch(/^\w+( field)? is not valid$/);
    expect(told).not.toContain('canary');
  });

  it('knows an unknown property by its constraint, whatever the sentence', () => {
    const error = { property: 'canary', constraints: { whitelistValidation: 'canary: no permitida' } };
    expect(validationSentences([error], { canary: 1 })).toEqual(['a property should not exist']);
  });

  it('tells no more than a client can read', () => {
    const many = Array.from({ length: 100 }, (_, index) => `field${index} is bad`);
    expect(validationSentences(many, {})).toHaveLength(32);
    expect(validationSentences([`title ${'x'.repeat(300)}`], {})).toEqual(['title is not valid']);
    expect(validationSentences([{ no: 'error' }, 5, null], {})).toEqual([]);
  });
});
