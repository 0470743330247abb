import { describe, expect, it } from 'vitest';
import {
  SessionUnknown,
  StoreUnavailable,
  TicketError,
  TicketMismatch,
  TicketMissing,
  TicketRateExceeded,
  TicketUnknown,
  TokenRejected,
  TooManySessions,
  WsAuthError,
  WsAuthOptionsError,
} from '../../lib/core/errors.js';

describe('WsAuthError', () => {
  it.each([
    [new WsAuthOptionsError(['x']), 'WsAuthOptionsError', 'invalid_options', 'error'],
    [new TokenRejected('signature'), 'TokenRejected', 'token_rejected', 'unauthorized'],
    [new TicketMissing(), 'TicketMissing', 'ticket_missing', 'unauthorized'],
    [new TicketUnknown(), 'TicketUnknown', 'ticket_unknown', 'unauthorized'],
    [new TicketMismatch('origin'), 'TicketMismatch', 'ticket_mismatch', 'unauthorized'],
    [new TicketRateExceeded(100), 'TicketRateExceeded', 'ticket_rate_exceeded', 'rate_limited'],
    [new SessionUnknown(), 'SessionUnknown', 'session_unknown', 'unauthorized'],
    [new TooManySessions(), 'TooManySessions', 'too_many_sessions', 'too_many_sessions'],
    [new StoreUnavailable('no answer'), 'StoreUnavailable', 'store_unavailable', 'unavailable'],
  ])('is the base of %s', (error, name, code, publicMessage) => {
    expect(error).toBeInstanceOf(WsAuthError);
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe(name);
    expect(error.code).toBe(code);
    expect(error.publicMessage).toBe(publicMessage);
  });

  it('keeps its cause', () => {
    const cause = new Error('socket closed');
    expect(new StoreUnavailable('no answer', { cause }).cause).toBe(cause);
  });
});

describe('WsAuthOptionsError', () => {
  it('tells every problem on a line of its own', () => {
    const error = new WsAuthOptionsError(['first', 'second']);
    expect(error.problems).toEqual(['first', 'second']);
    expect(error.message).toBe('nestjs-ws-auth is not set up safely:\n  - first\n  - second');
  });
});

describe('TicketError', () => {
  it('is the base of the three ways in which a ticket fails', () => {
    for (const error of [new TicketMissing(), new TicketUnknown(), new TicketMismatch('path')]) {
      expect(error).toBeInstanceOf(TicketError);
    }
  });

  it('names the two likely causes of a ticket that is missing or unknown', () => {
    expect(new TicketMissing().message).toMatch(/not expected.*forgot/);
    expect(new TicketUnknown().message).toMatch(/not expected.*already used/);
  });

  it('looks the same to a client for a replay and for a ticket that never was', () => {
    const [replayed, unknown] = [new TicketUnknown(true), new TicketUnknown()];
    expect(replayed.replayed).toBe(true);
    expect(unknown.replayed).toBe(false);
    expect(replayed.message).toBe(unknown.message);
    expect(replayed.publicMessage).toBe(unknown.publicMessage);
  });

  it('says what a mismatched ticket was bound to, to the operator only', () => {
    const error = new TicketMismatch('session');
    expect(error.binding).toBe('session');
    expect(error.message).toContain('another session');
    expect(error.publicMessage).not.toContain('session');
  });
});

describe('TokenRejected', () => {
  it('tells the client nothing of the reason', () => {
    const error = new TokenRejected('expired');
    expect(error.reason).toBe('expired');
    expect(error.publicMessage).toBe('unauthorized');
  });
});
