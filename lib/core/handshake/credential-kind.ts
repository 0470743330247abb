/** The ways in which a client can prove who it is; PROTOCOL.md says how each travels. */
export type CredentialKind = 'ticket' | 'bearer' | 'cookie' | 'first-message';

export const CREDENTIAL_KINDS: readonly CredentialKind[] = ['ticket', 'bearer', 'cookie', 'first-message'];
