/** The subprotocol every client of this library may offer, and the only one chosen where the application has none. */
export const WS_AUTH_PROTOCOL = 'ws-auth.v1';

const SUBPROTOCOL_PATTERN = /^[!#$%&'*+\-.0-9A-Z^_`|a-z~]{1,128}$/;

/** True for a subprotocol that may be chosen: a token of RFC 6455 §4.1, and not one that carries a credential. */
export function isSubprotocol(name: string): boolean {
  return (
    SUBPROTOCOL_PATTERN.test(name) &&
    !name.startsWith('ticket.ws-auth.') &&
    !name.startsWith('base64url.bearer.ws-auth.')
  );
}
