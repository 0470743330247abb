/*
 * Injection tokens and metadata keys. `Symbol.for` on purpose: should an application load the ESM and the CommonJS build
 * at once, both find the same things, and a mixture fails closed instead of half working.
 */

/**
 * The engine: everything that decides, built from the options. Nest prints the token when the module is missing, so it
 * names what brings it.
 */
export const WS_AUTH_ENGINE = Symbol.for('WsAuthModule.forRoot() of nestjs-ws-auth');

/** The options as the application gave them. */
export const WS_AUTH_OPTIONS = Symbol.for('nestjs-ws-auth:options');

/** What the application said about the ready-made controller. */
export const WS_AUTH_CONTROLLER_OPTIONS = Symbol.for('nestjs-ws-auth:controller-options');

/** The doctor of the application. */
export const WS_AUTH_DOCTOR = Symbol.for('nestjs-ws-auth:doctor');

/** Where a socket keeps its connection. */
export const CONNECTION_KEY = Symbol.for('nestjs-ws-auth:connection');

/** Where an HTTP request keeps its caller. */
export const CALLER_KEY = Symbol.for('nestjs-ws-auth:caller');

/** `@WsAuth()`: the policy of a gateway. */
export const WS_AUTH_POLICY = 'WS_AUTH:POLICY';

/** `@WsPublic()`: a gateway that is public on purpose. */
export const WS_AUTH_PUBLIC = 'WS_AUTH:PUBLIC';

/** `@WsRoles()` on gateways, controllers and handlers. */
export const WS_AUTH_ROLES = 'WS_AUTH:ROLES';

/** `@WsScopes()`, likewise. */
export const WS_AUTH_SCOPES = 'WS_AUTH:SCOPES';

/** `@WsPolicy()`, likewise. */
export const WS_AUTH_POLICIES = 'WS_AUTH:POLICIES';

/** `@WsRecentAuth()`, likewise. */
export const WS_AUTH_RECENT_AUTH = 'WS_AUTH:RECENT_AUTH';

/** `@WsThrottle()` on gateways and handlers. */
export const WS_AUTH_THROTTLE = 'WS_AUTH:THROTTLE';

/** `@SkipWsThrottle()` on gateways and handlers. */
export const WS_AUTH_SKIP_THROTTLE = 'WS_AUTH:SKIP_THROTTLE';

/** `@WsConcurrency()` on gateways and handlers. */
export const WS_AUTH_CONCURRENCY = 'WS_AUTH:CONCURRENCY';

/**
 * The property by which a gateway asks for the engine. Its name is what Nest prints when the module is missing, so it
 * says what to do.
 */
export const ENGINE_PROPERTY = 'importWsAuthModuleForRoot';

/** Keys of Nest's own metadata, the same in Nest 11 and 12; their import paths are not. */
export const NEST = {
  isGateway: 'websockets:is_gateway',
  gatewayOptions: 'websockets:gateway_options',
  port: 'port',
  isMessageHandler: 'websockets:message_mapping',
  message: 'message',
  /** Of a method of a controller. */
  route: 'path',
  guards: '__guards__',
  interceptors: '__interceptors__',
  pipes: '__pipes__',
  /** Of the parameters of a handler, on its class. */
  parameters: '__routeArguments__',
  filters: '__exceptionFilters__',
} as const;
