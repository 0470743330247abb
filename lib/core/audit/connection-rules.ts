import type { RefusalRules } from './refusal-rule.js';

const CLIENT = 'This is the client: PROTOCOL.md §3 has the form.';
const FRAMES = 'This is the client: compare its frames with RFC 6455 §5.';

/** What is decided about an open socket. */
export const CONNECTION_RULES: RefusalRules = {
  auth_timeout: {
    rule: 'FM-02',
    why: 'No credential came in time.',
    fix: 'Let the client send "auth" as soon as the socket is open.',
    option: 'firstMessage.timeoutMs',
  },
  binary_before_auth: { rule: 'FM-03', why: 'A binary frame came before "auth".', fix: CLIENT },
  auth_frame_too_big: {
    rule: 'FM-03',
    why: 'The first message was too big.',
    fix: CLIENT,
    option: 'firstMessage.maxBytes',
  },
  auth_frame_malformed: { rule: 'FM-03', why: 'The "auth" message had not its form.', fix: CLIENT },
  message_before_auth: { rule: 'FM-01', why: 'Another message came before "auth".', fix: CLIENT },
  credential_unusable: { rule: 'FM-03', why: 'The "auth" message held no token and no ticket.', fix: CLIENT },
  second_auth_frame: {
    rule: 'FM-04',
    why: 'A second "auth" came while the first was looked at.',
    fix: CLIENT,
  },
  too_much_before_auth: {
    rule: 'FM-01',
    why: 'Too much came while the credential was looked at.',
    fix: 'Let the client wait for "auth.ok".',
    option: 'firstMessage.maxHeldBytes',
  },
  expired: {
    rule: 'LT-01',
    why: 'The session, the credential or the longest life ran out.',
    fix: 'Let the client refresh in time.',
    option: 'lifetime.maxMs',
  },
  idle_timeout: {
    rule: 'LT-03',
    why: 'No message came for too long.',
    fix: 'Set it to false for clients that only listen.',
    option: 'lifetime.idleMs',
  },
  heartbeat_timeout: {
    rule: 'LT-04',
    why: 'The peer did not answer a ping.',
    fix: 'It was gone, or hung.',
    option: 'lifetime.pongTimeoutMs',
  },
  replaced: {
    rule: 'SE-07',
    why: 'A newer connection took its place.',
    fix: 'Look for clients that do not close.',
    option: 'connections.onLimit',
  },
  rate_limited: {
    rule: 'TH-02',
    why: 'Too many messages were over a limit.',
    fix: 'Let the client mind the "rate" notices.',
    option: 'throttle.violations',
  },
  message_rate: {
    rule: 'TH-02',
    why: 'A message was over a limit.',
    fix: 'See the limit that is named.',
    option: 'throttle',
  },
  gateway_rights_lost: {
    rule: 'SE-09',
    why: 'The principal has lost a role or scope that the gateway asks for.',
    fix: 'Give it back with setRoles(), or see what the gateway asks for.',
  },
  message_roles: {
    rule: 'SE-09',
    why: 'The principal lacks a role that the handler asks for.',
    fix: 'Give the role with setRoles(), or see @WsRoles() of the handler.',
  },
  message_scopes: {
    rule: 'SE-09',
    why: 'The principal lacks a scope that the handler asks for.',
    fix: 'Give the scope with setRoles(), or see @WsScopes() of the handler.',
  },
  message_policy: {
    rule: 'SE-10',
    why: 'A policy of the handler did not permit it.',
    fix: 'See @WsPolicy() of the handler.',
  },
  message_auth_age: {
    rule: 'SE-10',
    why: 'The user authenticated too long ago, and did not do so again in time.',
    fix: 'Let the client answer auth.required, or see @WsRecentAuth() of the handler.',
    option: 'message.stepUp',
  },
  request_roles: {
    rule: 'SE-10',
    why: 'The caller lacks a role that the HTTP handler asks for.',
    fix: 'Give the role with setRoles(), or see @WsRoles() of the handler.',
  },
  request_scopes: {
    rule: 'SE-10',
    why: 'The caller lacks a scope that the HTTP handler asks for.',
    fix: 'Give the scope with setRoles(), or see @WsScopes() of the handler.',
  },
  request_policy: {
    rule: 'SE-10',
    why: 'A policy of the HTTP handler did not permit it.',
    fix: 'See @WsPolicy() of the handler.',
  },
  request_auth_age: {
    rule: 'SE-10',
    why: 'The user of the request authenticated too long ago.',
    fix: 'Let the client follow the challenge, or see @WsRecentAuth() of the handler.',
  },
  message_structure: {
    rule: 'MS-05',
    why: 'A message was too deep, too large in parts, or named __proto__.',
    fix: 'Send flatter messages.',
    option: 'message.maxDepth',
  },
  bad_message: {
    rule: 'MS-03',
    why: 'A message was not of the form {"event","data"}.',
    fix: 'This is the client.',
  },
  unknown_event: {
    rule: 'MS-03',
    why: 'No handler takes the event.',
    fix: 'Compare its name with @SubscribeMessage().',
  },
  binary_frame: {
    rule: 'MS-01',
    why: 'A binary frame came where text is spoken.',
    fix: 'Set a messageParser to take binary.',
  },
  revocation_log_overrun: {
    rule: 'SE-03',
    why: 'Too much was revoked while the connection opened.',
    fix: 'Nothing: the client comes back.',
  },
  store_outage: {
    rule: 'LT-05',
    why: 'The store was away for longer than the grace.',
    fix: 'Look at Redis.',
    option: 'storeOutage.graceMs',
  },
  restart: {
    rule: 'LT-06',
    why: 'The node was shutting down.',
    fix: 'Nothing: clients come back elsewhere.',
  },
  connection_failed: {
    rule: 'MS-06',
    why: 'The application threw while it was shown the connection.',
    fix: 'See the error line of this node at that time.',
  },
  handle_connection_failed: {
    rule: 'MS-06',
    why: 'The handleConnection of a gateway threw.',
    fix: 'See the error line of this node at that time.',
  },
  backpressure: {
    rule: 'TH-05',
    why: 'The client read too slowly.',
    fix: 'Send less, or raise the option.',
    option: 'message.outbound.maxBytes',
  },
  protocol_error: { rule: 'MS-02', why: 'The peer broke the rules of the frame layer.', fix: FRAMES },
  bad_text: { rule: 'MS-02', why: 'A text frame was no UTF-8.', fix: FRAMES },
  too_many_parts: {
    rule: 'TH-04',
    why: 'A message came in too many fragments.',
    fix: FRAMES,
    option: 'message.maxFragments',
  },
  message_timeout: {
    rule: 'TH-04',
    why: 'A message took too long to arrive.',
    fix: FRAMES,
    option: 'message.fragmentTimeoutMs',
  },
  control_flood: {
    rule: 'TH-03',
    why: 'Too many pings or pongs came.',
    fix: FRAMES,
    option: 'message.maxControlFramesPerSecond',
  },
  message_too_big: {
    rule: 'MS-01',
    why: 'A message was too big.',
    fix: 'Send less, or raise the option.',
    option: 'message.maxPayloadBytes',
  },
  client_left: { rule: 'HS-04', why: 'The client left.', fix: 'Nothing.' },
  logout: { rule: 'SE-01', why: 'The user has logged out.', fix: 'Let the user log in again.' },
  ended_by_user: {
    rule: 'SE-01',
    why: 'The user has ended this session from another one.',
    fix: 'Let the user log in again.',
  },
  forbidden: {
    rule: 'SE-01',
    why: 'The application closed the connection.',
    fix: 'See who calls WsConnections.close().',
  },
};
