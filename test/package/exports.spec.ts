import { describe, expect, it } from 'vitest';
import * as library from '../../lib/index.js';

describe('the public names', () => {
  it('are these, and no others: a change here is a change for users', () => {
    expect(Object.keys(library).toSorted()).toEqual([
      'CLOSE',
      'DEFAULT_OPTIONS',
      'SessionUnknown',
      'SkipWsThrottle',
      'StoreUnavailable',
      'TicketError',
      'TicketMismatch',
      'TicketMissing',
      'TicketRateExceeded',
      'TicketUnknown',
      'TokenRejected',
      'TooManySessions',
      'WsAuth',
      'WsAuthAdapter',
      'WsAuthError',
      'WsAuthEvents',
      'WsAuthHttpGuard',
      'WsAuthModule',
      'WsAuthOptionsError',
      'WsConcurrency',
      'WsConnection',
      'WsConnections',
      'WsHandshake',
      'WsPrincipal',
      'WsPublic',
      'WsRoles',
      'WsSession',
      'WsSessionCookie',
      'WsSessionService',
      'WsThrottle',
      'WsTicketService',
      'wsConnection',
    ]);
  });
});
