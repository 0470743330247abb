const { createHmac, generateKeyPairSync, randomBytes, randomUUID, sign } = require('node:crypto');
const { once } = require('node:events');
const { createServer } = require('node:http');

const AUDIENCE = 'chat';
const KID = 'one';

/** Signs the tokens of one issuer, and as somebody who is not that issuer. */
class Issuer {
  constructor(name, head, signature) {
    this.name = name;
    this.head = head;
    this.signature = signature;
  }

  token(subject) {
    const now = Math.floor(Date.now() / 1_000);
    const claims = {
      iss: this.name,
      aud: AUDIENCE,
      sub: subject,
      iat: now,
      exp: now + 600,
      jti: randomUUID(),
    };
    const input = [{ typ: 'JWT', ...this.head }, claims].map(base64url).join('.');
    return `${input}.${this.signature(input).toString('base64url')}`;
  }
}

/** An issuer that shares a secret with the application. */
exports.makeSecretIssuer = (name) => {
  const secret = randomBytes(48).toString('base64url');
  const issuerWith = (key) =>
    new Issuer(name, { alg: 'HS256' }, (input) => createHmac('sha256', key).update(input).digest());
  return {
    jwt: { secret, algorithms: ['HS256'], issuer: name, audience: AUDIENCE },
    own: issuerWith(secret),
    forger: issuerWith(randomBytes(48).toString('base64url')),
  };
};

/** An issuer that publishes its keys over HTTP. */
exports.startPublishingIssuer = async (name) => {
  const [pair, other] = [1, 2].map(() => generateKeyPairSync('rsa', { modulusLength: 2_048 }));
  const published = { ...pair.publicKey.export({ format: 'jwk' }), kid: KID, alg: 'RS256' };
  const server = createServer((_, response) => response.end(JSON.stringify({ keys: [published] })));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const issuerWith = ({ privateKey }) =>
    new Issuer(name, { alg: 'RS256', kid: KID }, (input) => sign('sha256', Buffer.from(input), privateKey));
  return {
    jwt: {
      jwksUri: `http://127.0.0.1:${server.address().port}/keys`,
      algorithms: ['RS256'],
      issuer: name,
      audience: AUDIENCE,
    },
    own: issuerWith(pair),
    forger: issuerWith(other),
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
};

function base64url(value) {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
