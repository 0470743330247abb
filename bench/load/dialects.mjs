import { clientFrame, serverFrame } from './client-frames.mjs';
import { ORIGIN } from './credentials.mjs';

/** The end of the response to an upgrade. */
const UPGRADED = '\r\n\r\n';

/**
 * How clients of a server speak.
 *
 * - `request({ token, query, headers })`: the upgrade request
 * - `opening({ token })`: what is waited for, one after the other, until the server has let the client in, and what the client
 *   writes when it has come; `refusal` is what the server says instead when it does not
 * - `exchange(event, data, id)`: a message and what the server answers it with, as frames
 */
export const DIALECTS = {
  /** WebSocket with Nest's envelope, the token in the Authorization header. */
  plain: {
    request: ({ token, query = '', headers = [] }) =>
      upgradeRequest(`/ws${query}`, [...headers, ...authorization(token)]),
    opening: () => [{ until: UPGRADED }],
    exchange: envelopeExchange,
  },

  /** The same, where the server takes anybody, then verifies, and says when it has. */
  ready: {
    request: ({ token }) => upgradeRequest('/ws', authorization(token)),
    opening: () => [{ until: UPGRADED }, { until: '{"event":"ready"}' }],
    exchange: envelopeExchange,
  },

  /** The token in the first message. */
  'first message': {
    request: () => upgradeRequest('/ws'),
    opening: ({ token }) => [
      { until: UPGRADED, write: clientFrame(JSON.stringify({ event: 'auth', data: { token } })) },
      { until: '"auth.ok"' },
    ],
    exchange: envelopeExchange,
  },

  /** Engine.IO without its beginning by HTTP; the token in the packet that connects to the namespace. */
  'socket.io': {
    request: () => upgradeRequest('/ws/?EIO=4&transport=websocket'),
    opening: ({ token }) => [
      { until: UPGRADED },
      { until: '"maxPayload"', write: clientFrame(`40${JSON.stringify({ token })}`) },
      { until: '40{"sid"', refusal: '44{' },
    ],
    exchange: (event, data) => {
      const packet = `42${JSON.stringify([event, data])}`;
      return { message: clientFrame(packet), reply: serverFrame(packet) };
    },
  },

  /** GraphQL over WebSocket; the token in connection_init. A handler is a field, a message a query. */
  'graphql-ws': {
    request: () => upgradeRequest('/graphql', ['Sec-WebSocket-Protocol: graphql-transport-ws']),
    opening: ({ token }) => [
      {
        until: UPGRADED,
        write: clientFrame(JSON.stringify({ type: 'connection_init', payload: { token } })),
      },
      { until: '{"type":"connection_ack"}' },
    ],
    exchange: (event, data, number) => {
      const id = String(10 + number);
      const query = `query($data:DataInput!){${event}(data:$data){id text}}`;
      const messages = [
        { id, type: 'subscribe', payload: { query, variables: { data } } },
        { id, type: 'next', payload: { data: { [event]: data } } },
        { id, type: 'complete' },
      ];
      const [subscribe, ...answers] = messages.map((message) => JSON.stringify(message));
      return { message: clientFrame(subscribe), reply: Buffer.concat(answers.map(serverFrame)) };
    },
  },
};

function authorization(token) {
  return token ? [`Authorization: Bearer ${token}`] : [];
}

function envelopeExchange(event, data) {
  const text = JSON.stringify({ event, data });
  return { message: clientFrame(text), reply: serverFrame(text) };
}

function upgradeRequest(target, headers = []) {
  return [
    `GET ${target} HTTP/1.1`,
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    `Origin: ${ORIGIN}`,
    ...headers,
    '\r\n',
  ].join('\r\n');
}
