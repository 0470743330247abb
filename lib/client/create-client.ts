import type { Client } from './client.js';
import type { ClientOptions } from './client-options.js';
import { thisHost } from './host.js';
import { startClient } from './start-client.js';

/**
 * Connects to a gateway, and comes back when the connection ends, as the close code table of PROTOCOL.md says: with a fresh
 * credential for every attempt.
 *
 * @typeParam Receives the events that the server sends, each with the type of its data
 * @typeParam Sends the events that the client sends, likewise
 * @throws {TypeError} for options that cannot work or are unsafe, naming the option
 */
export function createClient<
  Receives extends object = Record<string, unknown>,
  Sends extends object = Receives,
>(options: ClientOptions): Client<Receives, Sends> {
  return startClient(thisHost(), options) as unknown as Client<Receives, Sends>;
}
