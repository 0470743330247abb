import { DIALECTS } from './dialects.mjs';
import { signToken } from './credentials.mjs';

/** Tokens that are shown again and again, by the name of the server. */
const kept = new Map();

/**
 * What the clients of a server bring with them, made beforehand: each client has a user, a credential and an address of its own.
 *
 * @param target `dialect`; then `credentials`, one for each client from `first` on, or `secret` and `algorithm` for tokens; with
 *   `tokens` so many tokens go round
 */
export function makeClient(target, index, first = 0) {
  const { dialect = 'plain', credentials } = target;
  const credential = credentials ? credentials[index - first] : { token: tokenOf(target, index) };
  return makeClientWith(dialect, credential, index);
}

/** A client with this credential. */
export function makeClientWith(dialect, credential, index) {
  const { request, opening } = DIALECTS[dialect];
  return {
    request: Buffer.from(request(credential), 'latin1'),
    opening: opening(credential),
    localAddress: addressOf(index),
  };
}

function tokenOf({ server, secret, algorithm, tokens }, index) {
  if (!tokens) return signToken(secret, `user-${index}`, { algorithm });
  const known = kept.get(server) ?? [];
  kept.set(server, known);
  return (known[index % tokens] ??= signToken(secret, `user-${index % tokens}`, { algorithm }));
}

/** Many source addresses: one has no more ports than it has, and servers count by address. */
function addressOf(index) {
  return `127.0.${Math.floor(index / 250) % 4}.${1 + (index % 250)}`;
}
