import { describe, expect, it } from 'vitest';
import * as client from '../../lib/client/index.js';
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
      'WsAuthExceptionFilter',
      'WsAuthHealth',
      'WsAuthHttpGuard',
      'WsAuthModule',
      'WsAuthOptionsError',
      'WsBans',
      'WsConcurrency',
      'WsConnection',
      'WsConnections',
      'WsHandshake',
      'WsPolicy',
      'WsPrincipal',
      'WsPublic',
      'WsRecentAuth',
      'WsRoles',
      'WsScopes',
      'WsSession',
      'WsSessionCookie',
      'WsSessionService',
      'WsThrottle',
      'WsTicketService',
      'redisStreamSink',
      'withWsAuth',
      'wsConnection',
    ]);
  });

  it('are these in nestjs-ws-auth/client', () => {
    expect(Object.keys(client).toSorted()).toEqual(['ClientError', 'createClient']);
  });
});
