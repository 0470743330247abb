export type {
  AnomalyAction,
  AnomalyOptions,
  AnomalyRuleName,
  AnomalyRuleOptions,
} from './core/anomaly/anomaly-options.js';
export { Bans as WsBans, type Ban } from './core/anomaly/bans.js';
export type { AuditEvent, AuditEventName, AuditOutcome } from './core/audit/audit-event.js';
export type { AuditOptions, ReportOnly } from './core/audit/audit-options.js';
export type { AuditSink } from './core/audit/audit-sink.js';
export type { RefusalExplanation } from './core/audit/explanation-book.js';
export type { Policy, PolicyFunction, PolicyInput } from './core/authorization/policy.js';
export type { Rights, RightsChange } from './core/authorization/rights-change.js';
export { CLOSE, type CloseCode, type CloseCodeScheme } from './core/close-code.js';
export type { Connection, Handshake } from './core/connection.js';
export {
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
  type TicketBinding,
  type WsAuthErrorCode,
} from './core/errors.js';
export type { CheckId } from './core/doctor/check-ids.js';
export type { DoctorOptions } from './core/doctor/doctor-options.js';
export type { CredentialKind } from './core/handshake/credential-kind.js';
export type { FirstMessageOptions } from './core/handshake/first-message-options.js';
export type { BrowserRefusal, HandshakeOptions } from './core/handshake/handshake-options.js';
export type { JwtAlgorithm, JwtKeyMaterial, JwtOptions } from './core/handshake/jwt-options.js';
export type {
  BasicOptions,
  ClientCertificateOptions,
  CredentialReader,
  PrincipalAnswer,
  ReadableHandshake,
} from './core/handshake/own-credentials.js';
export type { ProxyOptions } from './core/handshake/proxy-options.js';
export type { LifetimeOptions } from './core/lifetime/lifetime-options.js';
export type { ExceptionCode, ExceptionData } from './core/message/exception-frame.js';
export type { MessageOptions } from './core/message/message-options.js';
export { DEFAULT_OPTIONS, type WsAuthOptions } from './core/options.js';
export type { Principal, PrincipalInit } from './core/principal.js';
export type { RevocationResult } from './core/revocation/revocation-log.js';
export type { RevocationSelector, TokenReference } from './core/revocation/revocation-service.js';
export type { ConnectionOptions } from './core/session/connection-options.js';
export type { ConnectionPlace } from './core/session/connection-registry.js';
export { Connections as WsConnections, type ConnectionSelector } from './core/session/connections.js';
export type { CookieOptions } from './core/session/cookie-options.js';
export type { LiveSession, Session } from './core/session/session.js';
export type { SessionOptions } from './core/session/session-options.js';
export {
  SessionService as WsSessionService,
  type IssuedSession,
  type SessionInit,
} from './core/session/session-service.js';
export type { StoreOutageOptions } from './core/store-outage-options.js';
export type { TicketOptions } from './core/ticket/ticket-options.js';
export type { ThrottledMessage, ThrottleKeyFunction, ThrottleLimit } from './core/throttle/throttle-limit.js';
export type { RateOptions, ThrottleOptions } from './core/throttle/throttle-options.js';
export {
  TicketService as WsTicketService,
  type IssuedTicket,
  type TicketExpectation,
  type TicketGrant,
  type TicketInit,
} from './core/ticket/ticket-service.js';
export type { TicketUse } from './core/ticket/ticket-store.js';
export { WsConnection, WsHandshake, WsPrincipal, WsSession } from './nest/decorators/parameters.decorator.js';
export type { WsAuthPolicy, WsPublicPolicy } from './nest/decorators/ws-auth-policy.js';
export { WsAuth } from './nest/decorators/ws-auth.decorator.js';
export { WsPublic } from './nest/decorators/ws-public.decorator.js';
export { WsConcurrency } from './nest/decorators/ws-concurrency.decorator.js';
export { WsPolicy, type PolicyReference } from './nest/decorators/ws-policy.decorator.js';
export { WsRecentAuth } from './nest/decorators/ws-recent-auth.decorator.js';
export { WsRoles } from './nest/decorators/ws-roles.decorator.js';
export { WsScopes } from './nest/decorators/ws-scopes.decorator.js';
export { SkipWsThrottle, WsThrottle } from './nest/decorators/ws-throttle.decorator.js';
export type { MessageParser } from './nest/message-dispatcher.js';
export type { OnWsRightsChanged } from './nest/rights-listeners.js';
export { WsAuthAdapter, type WsAuthAdapterOptions } from './nest/ws-auth.adapter.js';
export type { CallerAnswer, WsAuthControllerOptions } from './nest/ws-auth-controller-options.js';
export { WsAuthEvents } from './nest/ws-auth.events.js';
export { WsAuthExceptionFilter } from './nest/ws-auth.filter.js';
export { WsAuthHealth, type WsAuthHealthDetails, type WsAuthHealthStatus } from './nest/ws-auth.health.js';
export { WsAuthHttpGuard } from './nest/ws-auth.http-guard.js';
export type { WsAuthExtras } from './nest/ws-auth.module-definition.js';
export { WsAuthModule } from './nest/ws-auth.module.js';
export { wsConnection } from './nest/ws-connection.js';
export { WsSessionCookie } from './nest/ws-session-cookie.js';
export { withWsAuth } from './nest/with-ws-auth.js';
export { redisStreamSink, type RedisStreamSinkOptions } from './redis/redis-stream-sink.js';
