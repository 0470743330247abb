import type { Admission, Client, ClientStatus, StopReason } from './client.js';
import { ClientError } from './client-error.js';
import { resolveClientOptions, type ClientOptions } from './client-options.js';
import { makeConnector } from './connector.js';
import { emitter } from './emitter.js';
import { fieldsOf, writeFrame, type DropReason, type Frame } from './frame.js';
import type { Host } from './host.js';
import { outgoingQueue, type Outgoing } from './outgoing-queue.js';
import { trackRequests } from './requests.js';

/** The client, on a host and without the types of an application. @internal */
export function startClient(host: Host, options: ClientOptions): Client {
  const resolved = resolveClientOptions(options, host.globals);
  const { maxQueuedBytes, maxBufferedBytes, onDrop } = resolved;
  const events = emitter<unknown>();
  const statuses = emitter<ClientStatus>();
  const drops = emitter<DropReason>();
  const queue = outgoingQueue();
  let admission: Admission | null = null;
  let resolveClosed!: (reason: StopReason) => void;
  if (onDrop) drops.on('', onDrop);

  const drop = (reason: DropReason): void => drops.emit('', reason);
  /** Drops what has waited, for somebody else or for nothing. */
  const dropAll = (reason: 'other_session' | 'closed'): void => {
    if (queue.drain(({ onDropped }) => onDropped?.(reason))) drop(reason);
  };

  const connector = makeConnector(host, resolved, {
    onOpen(socket, authOk) {
      const earlier = admission;
      admission = authOk ? (fieldsOf(authOk.data) as Admission) : null;
      if (earlier && admission && earlier.sessionId !== admission.sessionId) dropAll('other_session');
      queue.drain(({ text, onSent }) => {
        socket.send(text);
        onSent?.();
      });
    },
    onFrame(frame: Frame) {
      if (frame.event === 'auth.ok') admission = fieldsOf(frame.data) as Admission;
      if (!requests.take(frame)) events.emit(frame.event, frame.data);
    },
    onDrop: drop,
    onStatus(status) {
      const { state } = status;
      statuses.emit('', status);
      if (state === 'open') return;
      const isClosed = state === 'closed';
      if (isClosed) dropAll(state);
      requests.end(isClosed ? state : 'connection_lost');
      if (isClosed) resolveClosed(status as StopReason);
    },
  });

  const transmit = (message: Outgoing): void => {
    const { socket, status } = connector;
    if (status.state === 'closed') throw new ClientError('closed');
    if (socket) {
      if (socket.bufferedAmount >= maxBufferedBytes) throw new ClientError('buffer_full');
      socket.send(message.text);
      return message.onSent?.();
    }
    const isAsleep = status.state === 'asleep';
    if (!queue.add(message, isAsleep ? Infinity : maxQueuedBytes))
      throw new ClientError(maxQueuedBytes ? 'queue_full' : 'not_open');
    if (isAsleep) void connector.connect();
  };
  const requests = trackRequests(host, transmit, queue.delete);

  const client: Client = {
    get state() {
      return connector.status.state;
    },
    get status() {
      return connector.status;
    },
    get admission() {
      return admission;
    },
    closed: new Promise((resolve) => {
      resolveClosed = resolve;
    }),
    send: (event, data) => transmit({ text: writeFrame(event, data) }),
    request: (event, data, options = {}) => requests.ask(event, data, options) as Promise<never>,
    on: events.on as Client['on'],
    onStatus: (listener) => statuses.on('', listener),
    refresh: connector.refresh,
    close: () => connector.stop('closed'),
  };
  void connector.connect();
  return client;
}
