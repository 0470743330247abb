const ORIGIN = 'https://app.example';

/** What a page sends that a program does not. */
const FROM_A_PAGE = { Origin: ORIGIN };

/**
 * The ways in: what each is called, which credential the connection must have by it, and how a client carries what it
 * knows. A client that knows the wrong thing carries it in the same way.
 */
const WAYS_IN = [
  {
    name: 'ticket, query',
    credential: 'ticket',
    carry: ({ ticket }) => ({ query: `?ticket=${ticket}`, headers: FROM_A_PAGE }),
  },
  {
    name: 'ticket, subprotocol',
    credential: 'ticket',
    carry: ({ ticket }) => ({
      protocols: ['ws-auth.v1', `ticket.ws-auth.${ticket}`],
      headers: FROM_A_PAGE,
    }),
  },
  {
    name: 'bearer, header',
    credential: 'bearer',
    carry: ({ token }) => ({ headers: { Authorization: `Bearer ${token}` } }),
  },
  {
    name: 'bearer, subprotocol',
    credential: 'bearer',
    carry: ({ token }) => ({
      protocols: ['ws-auth.v1', `base64url.bearer.ws-auth.${Buffer.from(token).toString('base64url')}`],
      headers: FROM_A_PAGE,
    }),
  },
  {
    name: 'bearer, published keys',
    credential: 'bearer',
    needs: 'published',
    carry: ({ published }) => ({ headers: { Authorization: `Bearer ${published}` } }),
  },
  {
    name: 'cookie',
    credential: 'cookie',
    carry: ({ cookie }) => ({ headers: { ...FROM_A_PAGE, Cookie: cookie } }),
  },
  {
    name: 'basic',
    credential: 'basic',
    carry: ({ user, password }) => ({ userInfo: `${user}:${password}@` }),
  },
  {
    name: 'basic, token user',
    credential: 'basic',
    carry: ({ token }) => ({ userInfo: `token:${token}@` }),
  },
  {
    name: 'client certificate',
    credential: 'client-certificate',
    needs: 'certificate',
    carry: ({ certificate }) => ({ certificate }),
  },
  {
    name: 'reader of the application',
    credential: 'api-key',
    carry: ({ apiKey }) => ({ headers: { 'X-Api-Key': apiKey } }),
  },
  {
    name: 'first message, token',
    credential: 'first-message',
    path: '/first',
    carry: ({ token }) => ({ headers: FROM_A_PAGE, first: { token } }),
  },
  {
    name: 'first message, ticket',
    credential: 'first-message',
    path: '/first',
    carry: ({ ticket }) => ({ headers: FROM_A_PAGE, first: { ticket } }),
  },
];

module.exports = { ORIGIN, WAYS_IN };
