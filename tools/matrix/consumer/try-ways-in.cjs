const { startApplication } = require('./application.cjs');
const { Client, logIn } = require('./client.cjs');
const { WAYS_IN } = require('./ways-in.cjs');

/** Who the certificates are of: a machine that is known, and one whose certificate nobody has signed. */
const MACHINE = 'ada';
const STRANGER = 'mallory';

/**
 * Connects by each way in that a ground has: once with a good credential, once with a wrong one; then revokes the user.
 *
 * @returns for each the numbers that the client saw, whom the gateway saw, and whether all is as it should be
 */
exports.tryWaysIn = async (modules, ground) => {
  const application = await startApplication(modules, ground);
  try {
    const has = { published: ground.published, certificate: ground.tls };
    const results = [];
    for (const [index, way] of WAYS_IN.filter(({ needs }) => !needs || has[needs]).entries()) {
      const user = way.needs === 'certificate' ? MACHINE : `user-${index}`;
      results.push({
        ground: ground.name,
        way: way.name,
        ...(await tryWay(modules, application, way, user)),
      });
    }
    return results;
  } finally {
    await application.close();
  }
};

async function tryWay({ ws, library }, application, { path = '/ws', credential, carry }, user) {
  const clients = [];
  const open = (known) => {
    const client = new Client(ws, application, path, carry(known));
    clients.push(client);
    return client;
  };
  try {
    const known = await whatIsKnown(application, user, path);
    const client = open(known.right);
    const seen = await client.whoAmI();
    if (!seen) return { isRight: false, numbers: [await client.end] };
    const wrong = await open(known.wrong).end;
    await application.app.get(library.WsSessionService).revoke({ user });
    const closed = await client.end;
    const isRight =
      seen.id === user &&
      seen.credential === credential &&
      wrong === (carry(known.right).first ? 4401 : 401) &&
      closed === 4410;
    return { isRight, seen, numbers: [client.opened, wrong, closed] };
  } catch (error) {
    return { isRight: false, problem: String(error) };
  } finally {
    for (const client of clients) client.terminate();
  }
}

/** What a user knows, and what somebody knows who is not that user. The wrong ticket is the one that was used before. */
async function whatIsKnown(application, user, path) {
  const { cookie, ticket } = await logIn(application, user, path);
  const { issuer, publisher, password, tls, certificateOf } = application;
  return {
    right: {
      user,
      ticket,
      cookie,
      password,
      token: issuer.own.token(user),
      published: publisher?.own.token(user),
      apiKey: `key of ${user}`,
      certificate: tls ? certificateOf(MACHINE) : undefined,
    },
    wrong: {
      user,
      ticket,
      cookie: cookie.replace(/=.*/, `=${'a'.repeat(43)}`),
      password: 'guessed',
      token: issuer.forger.token(user),
      published: publisher?.forger.token(user),
      apiKey: 'guessed',
      certificate: tls ? certificateOf(STRANGER) : undefined,
    },
  };
}
