/** The ways in which a client can prove who it is; PROTOCOL.md says how each travels. */
export type BuiltInCredentialKind =
  'ticket' | 'bearer' | 'cookie' | 'basic' | 'client-certificate' | 'first-message';

/** A built-in kind, or that of a reader of the application's own. */
export type CredentialKind = BuiltInCredentialKind | (string & {});

export const CREDENTIAL_KINDS: readonly BuiltInCredentialKind[] = [
  'ticket',
  'bearer',
  'cookie',
  'basic',
  'client-certificate',
  'first-message',
];
