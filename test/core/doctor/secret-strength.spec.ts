import { createSecretKey, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isGuessable } from '../../../lib/core/doctor/secret-strength.js';

describe('isGuessable', () => {
  it.each([
    'a'.repeat(64),
    'abcabcabcabcabcabcabcabcabcabcabcabc',
    'this-is-my-super-secret-value-for-jwt',
    'ChangeMe! ChangeMe! ChangeMe! ChangeMe!',
    '01234567890123456789012345678901',
    'please-replace-this-before-you-deploy',
  ])('is true for %j', (secret) => {
    expect(isGuessable(secret)).toBe(true);
    expect(isGuessable(Buffer.from(secret))).toBe(true);
    expect(isGuessable(createSecretKey(Buffer.from(secret)))).toBe(true);
  });

  it('is false for a few equal characters that chance has put side by side', () => {
    expect(isGuessable('q7RxxXxWm2ZtJv9KdPsLhY4cBnEoAgUi3fT6w8NxkD1yQzVrHjMe5SaGpCbXuI0lF')).toBe(false);
  });

  it('is false for what `openssl rand` gives, in every spelling', () => {
    for (let round = 0; round < 200; round += 1) {
      const bytes = randomBytes(48);
      expect(isGuessable(bytes)).toBe(false);
      expect(isGuessable(bytes.toString('hex'))).toBe(false);
      expect(isGuessable(bytes.toString('base64'))).toBe(false);
    }
  });
});
