import { describe, expect, it } from 'vitest';
import { closeReason } from '../../lib/core/close-code.js';
import { FRAME_FAULT, faultOfError } from '../../lib/nest/frame-fault.js';

const withCode = (code: unknown): Error => Object.assign(new Error('x'), { code });

describe('faultOfError (MS-02)', () => {
  it.each([
    ['WS_ERR_INVALID_UTF8', 1007],
    ['WS_ERR_TOO_MANY_BUFFERED_PARTS', 1008],
    ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009],
    ['WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH', 1009],
    ['WS_ERR_EXPECTED_MASK', 1002],
    ['WS_ERR_OF_A_LATER_WS', 1002],
    ['Z_DATA_ERROR', 1007],
  ])('is for %s the one of %d', (code, closeCode) => {
    expect(faultOfError(withCode(code))?.close.code).toBe(closeCode);
  });

  it.each([[withCode('ECONNRESET')], [withCode(1)], [new Error('x')], [undefined], ['text']])(
    'is none for %s: that is not the peer’s doing',
    (error) => {
      expect(faultOfError(error)).toBeUndefined();
    },
  );
});

describe('FRAME_FAULT (MS-08)', () => {
  it.each(Object.values(FRAME_FAULT))('$reason has a reason that a Close can carry', ({ close }) => {
    const reason = closeReason(close.word, { retryAfterMs: 999_999_999, correlationId: 'x'.repeat(36) });
    expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123);
    expect(reason).toMatch(/^[\x20-\x7e]+$/);
  });
});
