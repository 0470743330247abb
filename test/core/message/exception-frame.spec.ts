import { describe, expect, it } from 'vitest';
import { exceptionFrame } from '../../../lib/core/message/exception-frame.js';

describe('exceptionFrame', () => {
  it('has status, code and message, byte for byte as promised', () => {
    expect(exceptionFrame({ code: 'forbidden', message: 'not permitted' })).toBe(
      '{"event":"exception","data":{"status":"error","code":"forbidden","message":"not permitted"}}',
    );
  });

  it('has what else is known, in one order', () => {
    expect(
      exceptionFrame({
        retryAfterMs: 10.1,
        errors: ['a must be a string'],
        event: 'chat',
        message: 'm',
        code: 'c',
      }),
    ).toBe(
      '{"event":"exception","data":{"status":"error","code":"c","message":"m","event":"chat","errors":["a must be a string"],"retryAfterMs":11}}',
    );
  });

  it('keeps a wait of 0 and an empty list', () => {
    expect(JSON.parse(exceptionFrame({ code: 'c', message: 'm', retryAfterMs: 0, errors: [] }))).toEqual({
      event: 'exception',
      data: { status: 'error', code: 'c', message: 'm', retryAfterMs: 0, errors: [] },
    });
  });

  it('carries no field that it does not name (LG-02)', () => {
    const data = { code: 'internal', message: 'm', stack: 'canary', cause: 'canary', data: 'canary' };
    expect(exceptionFrame(data)).not.toContain('canary');
  });
});
