import type { CredentialKind } from '../../core/handshake/credential-kind.js';
import type { BrowserRefusal } from '../../core/handshake/handshake-options.js';

/** What a gateway narrows of the module's defaults. Everything that is left out is as `forRoot()` says. */
export interface WsAuthPolicy {
  /** A part of the module's `origins`. */
  origins?: readonly string[];
  /** A part of the module's `credentials`. */
  credentials?: readonly CredentialKind[];
  /** `refuse`: an Origin header is always needed. */
  missingOrigin?: 'explicit' | 'refuse';
  /** The subprotocols of this gateway, in order of preference, in place of the module's. */
  protocols?: readonly string[];
  /** What a browser on an allowed origin gets for a refused credential. */
  refuseBrowsersWith?: BrowserRefusal;
}

/** What a public gateway narrows: it has no credentials. */
export type WsPublicPolicy = Omit<WsAuthPolicy, 'credentials' | 'refuseBrowsersWith'>;
