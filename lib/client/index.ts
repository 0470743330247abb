export { ClientError, type ClientErrorCode, type Refusal } from './client-error.js';
export type { Admission, Client, ClientState, ClientStatus, LibraryEvents, StopReason } from './client.js';
export type {
  ClientCredential,
  ClientMode,
  ClientOptions,
  CredentialRequest,
  FetchCredential,
  TicketCredential,
  TokenCredential,
} from './client-options.js';
export type { CloseInfo, StopKind } from './close-reaction.js';
export { createClient } from './create-client.js';
export type { DropReason } from './frame.js';
export type { ClientSocket, ClientSocketConstructor } from './host.js';
export type { RequestOptions } from './requests.js';
