import type { RefusalRules } from './refusal-rule.js';

const CLIENT = 'This is the client or a proxy before it: compare the request with RFC 6455 §4.1.';

/** What is decided before any credential is looked at. */
export const HANDSHAKE_RULES: RefusalRules = {
  method_not_get: { rule: 'HS-06', why: 'The request was no GET.', fix: CLIENT },
  http_version: { rule: 'HS-06', why: 'The request was older than HTTP/1.1.', fix: CLIENT },
  upgrade_header: { rule: 'HS-06', why: 'The Upgrade header was not "websocket".', fix: CLIENT },
  plain_request: {
    rule: 'HS-06',
    why: 'A plain HTTP request came to the path of a gateway.',
    fix: 'Open the address as ws:// or wss://; behind a proxy, let it pass on Upgrade and Connection.',
  },
  connection_header: {
    rule: 'HS-06',
    why: 'The Connection header did not name "upgrade".',
    fix: 'Behind a proxy, let it pass on Upgrade and Connection: they are hop-by-hop headers.',
  },
  websocket_version: { rule: 'HS-05', why: 'The WebSocket version was not 13.', fix: CLIENT },
  websocket_key: { rule: 'HS-11', why: 'Sec-WebSocket-Key was missing or not 16 bytes.', fix: CLIENT },
  host_header: { rule: 'HS-08', why: 'The Host header was missing or malformed.', fix: CLIENT },
  body_on_upgrade: { rule: 'HS-07', why: 'The request had a body.', fix: CLIENT },
  duplicate_header: { rule: 'HS-11', why: 'A header came twice that may come once.', fix: CLIENT },
  too_many_headers: {
    rule: 'HS-12',
    why: 'The request had too many header lines.',
    fix: 'Look at what adds them; raise the option where they are all needed.',
    option: 'handshake.maxHeaders',
  },
  extensions_too_long: { rule: 'HS-12', why: 'Sec-WebSocket-Extensions was too long.', fix: CLIENT },
  target_form: { rule: 'HS-09', why: 'The request target was not a path.', fix: CLIENT },
  target_characters: {
    rule: 'HS-09',
    why: 'The request target held characters that have several readings.',
    fix: CLIENT,
  },
  target_dot_segments: { rule: 'HS-09', why: 'The path had "." or ".." segments.', fix: CLIENT },
  subprotocol_header: { rule: 'HS-12', why: 'Sec-WebSocket-Protocol was malformed.', fix: CLIENT },
  refused_by_ws: {
    rule: 'HS-12',
    why: 'The extensions that were offered are malformed: ws would not take them.',
    fix: CLIENT,
  },
  no_common_subprotocol: {
    rule: 'HS-13',
    why: 'None of the subprotocols that were offered is spoken here.',
    fix: 'List the subprotocol, or let the client offer "ws-auth.v1" beside its credential.',
    option: 'handshake.protocols',
  },
  host_not_allowed: {
    rule: 'HS-08',
    why: 'The Host header is not among the names of this server.',
    fix: 'List the name under which clients come, or let the proxy pass Host unchanged.',
    option: 'hosts',
  },
  no_gateway_on_path: {
    rule: 'HS-10',
    why: 'No gateway is on this path.',
    fix: 'Compare the path with that of @WebSocketGateway(), byte for byte; a proxy may have cut a prefix off.',
  },
  insecure_transport: {
    rule: 'HS-15',
    why: 'The request did not come over TLS.',
    fix: 'Use wss://. Where a proxy ends TLS, list it, so that its X-Forwarded-Proto is believed.',
    option: 'proxy.trusted',
  },
  origin_not_allowed: {
    rule: 'OR-02',
    why: 'The Origin is not in the list.',
    fix: 'Add the origin exactly as received, if it is yours.',
    option: 'origins',
  },
  origin_missing: {
    rule: 'OR-04',
    why: 'There was no Origin, and nothing that a browser could not send by itself.',
    fix: 'Let the client send a ticket or an Authorization header, or an Origin that is listed.',
    option: 'handshake.missingOrigin',
  },
  origin_missing_beside_cookie: {
    rule: 'OR-04',
    why: 'There was a cookie and no Origin: a browser sends both, and a cookie alone proves no intention.',
    fix: 'If a proxy strips Origin, let it pass. Programs send a ticket or an Authorization header.',
    option: 'handshake.missingOrigin',
  },
  draining: {
    rule: 'LT-06',
    why: 'The node was shutting down.',
    fix: 'Nothing: clients come back elsewhere.',
  },
  shutdown: {
    rule: 'LT-06',
    why: 'The node was shutting down.',
    fix: 'Nothing: clients come back elsewhere.',
  },
  starting: {
    rule: 'RD-01',
    why: 'The node had not caught up with the store.',
    fix: 'Look whether it is there.',
  },
  no_client_address: { rule: 'TH-07', why: 'The socket had no address.', fix: 'It was gone: nothing.' },
  too_many_pending: {
    rule: 'HS-03',
    why: 'Too many handshakes were in progress on this node.',
    fix: 'Look whether the store or the verifier is slow; raise the option if the node can carry more.',
    option: 'handshake.maxPending',
  },
  too_many_pending_of_address: {
    rule: 'HS-03',
    why: 'Too many handshakes of this address were in progress.',
    fix: 'If many clients share the address, raise it; behind a proxy set proxy.trusted.',
    option: 'handshake.maxPendingPerAddress',
  },
  too_many_waiting: {
    rule: 'FM-06',
    why: 'Too many sockets were waiting for their first message.',
    fix: 'Look who opens sockets and says nothing.',
    option: 'firstMessage.maxWaiting',
  },
  too_many_waiting_of_address: {
    rule: 'FM-06',
    why: 'Too many sockets of this address were waiting for their first message.',
    fix: 'If many clients share the address, raise it; behind a proxy set proxy.trusted.',
    option: 'firstMessage.maxWaitingPerAddress',
  },
  connect_rate: {
    rule: 'TH-01',
    why: 'This address has opened too many connections, on all nodes together.',
    fix: 'If many clients share the address, raise it; behind a proxy set proxy.trusted.',
    option: 'handshake.connectRate',
  },
  banned: {
    rule: 'CR-05',
    why: 'This address is banned for a time, by an anomaly rule or by an operator.',
    fix: 'See WsBans.list(), and lift() it if it is wrong.',
    option: 'anomalies',
  },
  timeout: {
    rule: 'HS-02',
    why: 'The handshake was not decided in time.',
    fix: 'Look whether the store or the verifier is slow.',
    option: 'handshake.timeoutMs',
  },
  client_gone: { rule: 'HS-04', why: 'The client left before it was told.', fix: 'Nothing.' },
  store_unavailable: {
    rule: 'RD-01',
    why: 'The store did not answer.',
    fix: 'Look at Redis, and at the log of this node.',
  },
  store_too_late: {
    rule: 'RD-01',
    why: 'The store answered too late.',
    fix: 'Look at the latency of Redis.',
  },
  verifier_failed: {
    rule: 'CR-06',
    why: 'A verifier threw something that is no refusal.',
    fix: 'See the error line of this node at that time.',
  },
};
