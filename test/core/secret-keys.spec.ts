import { createSecretKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { auditReference, deriveSecretKeys, MIN_SECRET_BYTES } from '../../lib/core/secret-keys.js';

const secret = 'a secret of more than 32 bytes, for tests only';

describe('deriveSecretKeys', () => {
  it('derives the same keys from the same secret, on every node', () => {
    const [a, b] = [deriveSecretKeys(secret), deriveSecretKeys(secret)];
    expect(a.userHash.equals(b.userHash)).toBe(true);
    expect(a.auditReference.equals(b.auditReference)).toBe(true);
  });

  it('derives the same keys from a text, its bytes and its KeyObject', () => {
    const bytes = Buffer.from(secret);
    const keys = deriveSecretKeys(secret);
    expect(deriveSecretKeys(bytes).userHash.equals(keys.userHash)).toBe(true);
    expect(deriveSecretKeys(createSecretKey(bytes)).userHash.equals(keys.userHash)).toBe(true);
  });

  it('derives a key of 32 bytes for each use, none of them the secret', () => {
    const { userHash, auditReference: reference } = deriveSecretKeys(secret);
    expect(userHash.symmetricKeySize).toBe(MIN_SECRET_BYTES);
    expect(reference.symmetricKeySize).toBe(MIN_SECRET_BYTES);
    expect(userHash.equals(reference)).toBe(false);
    expect(userHash.export().includes(Buffer.from(secret))).toBe(false);
  });

  it('marks a secret for the store by a text of its own, which is none of the keys', () => {
    const { storeMark, userHash, auditReference: reference } = deriveSecretKeys(secret);
    expect(storeMark).toMatch(/^[\w-]{16}$/);
    expect(deriveSecretKeys(Buffer.from(secret)).storeMark).toBe(storeMark);
    expect(deriveSecretKeys(`${secret}!`).storeMark).not.toBe(storeMark);
    for (const key of [userHash, reference])
      expect(key.export().toString('base64url').startsWith(storeMark)).toBe(false);
  });

  it('derives other keys from another secret', () => {
    expect(deriveSecretKeys(`${secret}!`).userHash.equals(deriveSecretKeys(secret).userHash)).toBe(false);
  });

  it('makes up a secret where none is given', () => {
    expect(deriveSecretKeys().userHash.equals(deriveSecretKeys().userHash)).toBe(false);
  });
});

describe('auditReference', () => {
  it('is the same for the same value and key, and tells nothing without the key', () => {
    const { auditReference: key, userHash: otherKey } = deriveSecretKeys(secret);
    const reference = auditReference(key, 'session id');
    expect(reference).toMatch(/^[0-9a-f]{32}$/);
    expect(auditReference(key, 'session id')).toBe(reference);
    expect(auditReference(key, 'session ie')).not.toBe(reference);
    expect(auditReference(otherKey, 'session id')).not.toBe(reference);
  });
});
