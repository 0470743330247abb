// graphql-ws: a token in connection_init, a query for each message, a field for each handler.
import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import jsonwebtoken from 'jsonwebtoken';
import { WebSocketServer } from 'ws';
import { echoEvents } from './echo-events.mjs';
import { jwtKey, JWT_RULES } from './jwt-rules.mjs';
import { serve } from './serve.mjs';

/** The generator counts bytes and would take a ping for a part of a reply. */
const HOUR_MS = 3_600_000;

const key = jwtKey('object');
const fields = echoEvents();
const schema = buildSchema(`
  input DataInput { id: Int! text: String! }
  type Data { id: Int! text: String! }
  type Query { ${fields.map((field) => `${field}(data: DataInput!): Data!`).join(' ')} }
`);
const roots = Object.fromEntries(fields.map((field) => [field, ({ data }) => data]));

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/graphql', backlog: 4_096 });
useServer(
  {
    schema,
    roots: { query: roots },
    onConnect: ({ connectionParams, extra }) => {
      try {
        extra.user = jsonwebtoken.verify(connectionParams?.token, key, JWT_RULES).sub;
        return true;
      } catch {
        // Closed 4403 by graphql-ws.
        return false;
      }
    },
  },
  server,
  HOUR_MS,
);
server.on('listening', () => serve(server.address().port));
