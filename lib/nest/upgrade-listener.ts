import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocketServer } from 'ws';
import { CLOSE, closeCodeIn, closeReason, type CloseCode } from '../core/close-code.js';
import type { Connection } from '../core/connection.js';
import {
  FirstMessageGate,
  type FirstMessageSocket,
  type InboundFrame,
} from '../core/handshake/first-message.js';
import type { GatewayPolicy } from '../core/handshake/gateway-policy.js';
import { HandshakeAttempt } from '../core/handshake/handshake-attempt.js';
import type { HandshakeDecision } from '../core/handshake/handshake-authenticator.js';
import { HandshakeRefused } from '../core/handshake/refusal.js';
import { authOkFrame } from './auth-ok-frame.js';
import type { ForeignListeners } from './foreign-listeners.js';
import type { GuardedSocket, SocketReceiver } from './guarded-socket.js';
import { PeerWatch } from './peer-watch.js';
import { isBoundToLoopback, rawUpgradeOf, stripRequest } from './raw-upgrade.js';
import { writeRefusal } from './refusal-response.js';
import type { WsAuthEngine } from './ws-auth.engine.js';

/** One path of a server: its ws server, its policy, and who takes its frames. */
export interface UpgradePath {
  readonly server: WebSocketServer;
  readonly policy: GatewayPolicy;
  readonly receiver: SocketReceiver;
}

/** A request on its way to a socket. */
interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly attempt: HandshakeAttempt;
  readonly watch: PeerWatch;
}

/**
 * The one `upgrade` listener of an HTTP server. Whatever comes in is decided by the core, and answered here: with a
 * connection, with a socket that waits for its first message, or with one whole refusal.
 */
export class UpgradeListener {
  readonly #engine: WsAuthEngine;
  readonly #foreign: ForeignListeners | undefined;
  /** Builds sockets for browsers that are told by a close code why they were refused; Nest never hears of them. */
  readonly #refuser: WebSocketServer;
  readonly #paths = new Map<string, UpgradePath>();
  readonly #attempts = new Set<HandshakeAttempt>();
  readonly #waiting = new Set<GuardedSocket>();
  /** Sockets that were told by a close code why they were refused, and have not gone yet. */
  readonly #leaving = new Set<GuardedSocket>();
  /** Network sockets that were refused by a response, and have not gone yet. */
  readonly #refused = new Set<Duplex>();
  #boundToLoopback = false;

  constructor(engine: WsAuthEngine, refuser: WebSocketServer, foreign?: ForeignListeners) {
    this.#engine = engine;
    this.#refuser = refuser;
    this.#foreign = foreign;
    engine.onDrain(() => this.#letGo());
  }

  add(path: UpgradePath): void {
    this.#paths.set(path.policy.path, path);
  }

  listen(server: HttpServer): void {
    server.on('upgrade', this.listener);
    const look = (): void => {
      this.#boundToLoopback = isBoundToLoopback(server);
    };
    if (server.listening) look();
    else server.once('listening', look);
  }

  /** The listener itself; a property, so that it can be told from others and taken off. */
  readonly listener = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (this.#foreign?.takes(request)) {
      this.#foreign.pass(request, socket, head);
      return;
    }
    // Before anything else: at this point the socket has no listeners, and one reset would end the process (HS-01).
    socket.on('error', ignoreError);
    const attempt = new HandshakeAttempt();
    const trace = (attempt.trace = this.#engine.tracing?.start(request.headers, attempt.correlationId));
    const watch = new PeerWatch(socket, () => attempt.abort('client_gone'));
    this.#attempts.add(attempt);
    const decide = (): Promise<void> => this.#decide({ request, socket, head, attempt, watch });
    void (trace ? trace.run(decide) : decide());
  };

  async #decide(upgrade: Upgrade): Promise<void> {
    const { request, attempt, watch } = upgrade;
    const { wheel, authenticator, options, metrics } = this.#engine;
    const startedAt = performance.now();
    const deadline = wheel.schedule(options.handshake.timeoutMs, () => attempt.abort('timeout'));
    try {
      const decision = await authenticator.authenticate(
        attempt,
        rawUpgradeOf(request, this.#boundToLoopback),
        (path) => this.#paths.get(path)?.policy,
      );
      metrics.timed('handshake', performance.now() - startedAt);
      this.#carryOut(upgrade, decision);
    } catch (error) {
      metrics.timed('handshake', performance.now() - startedAt, outcomeOf(error));
      this.#fail(upgrade, error);
    } finally {
      watch.stop();
      wheel.cancel(deadline);
      this.#attempts.delete(attempt);
    }
  }

  #fail(upgrade: Upgrade, error: unknown): void {
    if (error instanceof HandshakeRefused) return this.#refuse(upgrade, error);
    // Not a decision but a fault, such as a server that ws would not upgrade: this socket pays for it, the node does not.
    this.#engine.reportError(error);
    upgrade.attempt.release();
    upgrade.socket.destroy();
  }

  #carryOut(upgrade: Upgrade, decision: HandshakeDecision): void {
    if (decision.kind === 'wait') return this.#openWaiting(upgrade);
    this.#openDecided(upgrade, decision.kind === 'accept' ? decision.connection : undefined);
  }

  /** Accepted, or public: upgrade, and let Nest see the connection. */
  #openDecided(upgrade: Upgrade, connection: Connection | undefined): void {
    const path = this.#pathOf(upgrade);
    const opened = this.#upgrade(upgrade, path.server, (client) => {
      upgrade.attempt.release();
      client.trace = upgrade.attempt.trace;
      if (!connection)
        client.publicConnection = this.#engine.publicConnections.open(upgrade.attempt.handshake!, client);
      client.openTo(path.receiver, connection);
      // Revoked since the decision: it is closed already, and nobody is shown it (requirement SE-03).
      if (connection?.isOpen === false) return;
      if (connection) this.#greet(connection);
      path.server.emit('connection', client, upgrade.request);
    });
    if (opened) return;
    upgrade.attempt.release();
    if (connection) this.#engine.connections.closed(connection, 1006);
  }

  /** Upgraded, and kept out of sight until the first message has proved who is there. */
  #openWaiting(upgrade: Upgrade): void {
    const { attempt } = upgrade;
    const path = this.#pathOf(upgrade);
    const release = this.#engine.authenticator.takeWaitingPlace(attempt);
    const opened = this.#upgrade(upgrade, path.server, (client) => {
      attempt.release();
      attempt.holds(release);
      path.server.clients.delete(client);
      this.#waiting.add(client);
      let reason = 'client_left';
      client.once('error', () => (reason = 'protocol_error'));
      client.once('close', (code: number) => {
        // Refused ones were told of, and admitted ones wait no more.
        const isUndecided = this.#waiting.has(client) && !attempt.isAborted;
        this.#forgetWaiting(client, attempt);
        attempt.abort('client_gone');
        if (!isUndecided) return;
        const { fault } = client;
        this.#engine.authenticator.record.closed(attempt, fault?.close.code ?? code, fault?.reason ?? reason);
      });
      client.gateBy(this.#makeGate(upgrade, path, client));
    });
    if (opened) return;
    attempt.release();
    release();
  }

  #makeGate(upgrade: Upgrade, path: UpgradePath, client: GuardedSocket): FirstMessageGate {
    const { attempt } = upgrade;
    const { authenticator, options, wheel } = this.#engine;
    const kinds = (['bearer', 'ticket'] as const).filter((kind) => path.policy.credentials.has(kind));
    const gate = new FirstMessageGate({
      options: options.firstMessage,
      acceptedKinds: kinds,
      wheel,
      authenticate: (credential) => authenticator.authenticateFirstMessage(attempt, credential),
      socket: this.#gateSocket(upgrade, path, client),
    });
    gate.start();
    return gate;
  }

  #gateSocket(upgrade: Upgrade, path: UpgradePath, client: GuardedSocket): FirstMessageSocket {
    const { attempt } = upgrade;
    return {
      send: (text) => client.sendFromGate(text),
      pause: () => client.pause(),
      refuse: (close, reason, retryAfterMs) => {
        attempt.abort('client_gone');
        this.#engine.authenticator.record.closed(attempt, close.code, reason);
        this.#closeRefused(client, attempt, close, retryAfterMs);
        client.releaseHeldClose();
      },
      withdraw: (connection) => this.#engine.connections.closed(connection, 1006),
      open: (connection, held) => {
        try {
          this.#openGated(upgrade, path, client, connection, held);
        } catch (error) {
          // Nobody awaits a gate: what the application throws while it is shown the connection ends this socket only.
          this.#engine.reportError(error);
          this.#engine.connections.end(connection, { close: CLOSE.error, reason: 'connection_failed' });
          client.releaseHeldClose();
        }
      },
    };
  }

  /** The first message was good: Nest sees the connection, and what was held, in order. */
  #openGated(
    { attempt, request }: Upgrade,
    path: UpgradePath,
    client: GuardedSocket,
    connection: Connection,
    held: readonly InboundFrame[],
  ): void {
    const hasGone = client.readyState !== client.OPEN && held.length === 0;
    this.#forgetWaiting(client, attempt);
    client.trace = attempt.trace;
    if (hasGone) return this.#engine.connections.closed(connection, 1006);
    client.openTo(path.receiver, connection);
    // Revoked since the decision: it is closed already, and nobody is shown it (requirement SE-03).
    if (!connection.isOpen) return client.releaseHeldClose();
    if (client.readyState === client.OPEN) path.server.clients.add(client);
    this.#greet(connection);
    const show = (): boolean => path.server.emit('connection', client, request);
    if (attempt.trace) attempt.trace.run(show);
    else show();
    // Before what was held: that may fill the queue, which then stops the reading again.
    client.resume();
    for (const { data, isBinary } of client.isEndedHere ? [] : held)
      path.receiver.receiveHeld(client, data, isBinary);
    if (!client.inbox || client.inbox.queued === 0) client.releaseHeldClose();
  }

  #forgetWaiting(client: GuardedSocket, attempt: HandshakeAttempt): void {
    this.#waiting.delete(client);
    attempt.release();
  }

  /** `auth.ok`, to clients that can be expected to know it. */
  #greet(connection: Connection): void {
    if (connection.hearsNotices) connection.send(authOkFrame(connection, this.#engine.clock()));
  }

  #refuse(upgrade: Upgrade, refusal: HandshakeRefused): void {
    const { socket, attempt } = upgrade;
    const { authenticator } = this.#engine;
    if (refusal.cause !== undefined) this.#engine.reportOutage(refusal);
    socket.once('close', () => attempt.release());
    if (attempt.abortReason === 'client_gone' || socket.destroyed) {
      authenticator.record.refused(attempt, refusal);
      socket.destroy();
      attempt.release();
      return;
    }
    const close = authenticator.refusesByCloseCode(attempt, refusal) ? refusal.close : undefined;
    if (
      close &&
      this.#upgrade(upgrade, this.#refuser, (client) => {
        authenticator.record.refused(attempt, refusal, close.code);
        this.#closeRefused(client, attempt, close, refusal.retryAfterMs);
      })
    )
      return;
    authenticator.record.refused(attempt, refusal);
    // Otherwise what the peer sent stays unread, and its end unheard.
    upgrade.watch.stop();
    this.#refused.add(socket);
    socket.once('close', () => this.#refused.delete(socket));
    writeRefusal(socket, refusal, attempt.correlationId);
  }

  #closeRefused(
    client: GuardedSocket,
    attempt: HandshakeAttempt,
    close: CloseCode,
    retryAfterMs?: number,
  ): void {
    const code = closeCodeIn(this.#engine.options.closeCodes, close.code);
    this.#leaving.add(client);
    client.once('close', () => this.#leaving.delete(client));
    client.close(code, closeReason(close.word, { retryAfterMs, correlationId: attempt.correlationId }));
  }

  /** Hands the request to ws. @returns false when the socket could not be upgraded any more */
  #upgrade(
    { request, socket, head, attempt, watch }: Upgrade,
    server: WebSocketServer,
    use: (client: GuardedSocket) => void,
  ): boolean {
    if (socket.destroyed || !socket.readable || !socket.writable || !attempt.handshake) return false;
    stripRequest(request, attempt.handshake);
    // Before ws adds its own: a list of listeners that was longer once stays large.
    watch.stop();
    socket.off('error', ignoreError);
    let isUpgraded = false;
    // What ws alone finds fault with, such as the parameters of an extension, is refused as everything else is.
    const onRefused = (): void => {
      const refusal = new HandshakeRefused('malformed_handshake', 'refused_by_ws');
      this.#engine.authenticator.record.refused(attempt, refusal);
      writeRefusal(socket, refusal, attempt.correlationId);
    };
    server.on('wsClientError', onRefused);
    try {
      server.handleUpgrade(request, socket, head, (client) => {
        isUpgraded = true;
        use(client as unknown as GuardedSocket);
      });
    } finally {
      server.off('wsClientError', onRefused);
    }
    return isUpgraded;
  }

  #pathOf({ attempt }: Upgrade): UpgradePath {
    return this.#paths.get(attempt.gateway!.path)!;
  }

  /** The node drains: what is undecided is refused, what waits is closed. */
  #letGo(): void {
    for (const attempt of this.#attempts) attempt.abort('shutdown');
    for (const client of this.#waiting) client.close(CLOSE.restart.code, CLOSE.restart.word);
  }

  /** True while somebody is here who has proved nothing, or not gone after a refusal. */
  get hasStrangers(): boolean {
    return this.#attempts.size + this.#waiting.size + this.#leaving.size + this.#refused.size > 0;
  }

  /** Cuts every socket that still waits for its first message, or has been refused and lingers. */
  terminateWaiting(): void {
    for (const client of [...this.#waiting, ...this.#leaving]) client.terminate();
    // Its response has been written, or is as good as lost.
    for (const socket of this.#refused) socket.destroy();
  }
}

/** What is answered 503 is a fault of the server, and what is no refusal a bug. */
function outcomeOf(error: unknown): 'refused' | 'error' {
  return error instanceof HandshakeRefused && error.status < 500 ? 'refused' : 'error';
}

function ignoreError(): void {
  // The socket is destroyed by Node, and its `close` tells the attempt.
}
