import type { Admission, Client, ClientStatus, StopReason } from './client.js';
import { ClientError } from './client-error.js';
import { resolveClientOptions, type ClientOptions } from './client-options.js';
import { makeConnector } from './connector.js';
import { emitter } from './emitter.js';
import { fieldsOf, writeFrame, type Frame } from './frame.js';
import type { Host } from './host.js';
import { outgoingQueue, type Outgoing } from './outgoing-queue.js';
import { trackRequests } from './requests.js';

/** As the server promises it; only that it is an object is checked. */
function admissionOf({ data }: Frame): Admission {
  return fieldsOf<Admission>(data) as Admission;
}

/** The client, on a host and without the types of an application. @internal */
export function startClient(host: Host, options: ClientOptions): Client {
  const resolved = resolveClientOptions(options, host.globals);
  const { maxQueuedBytes, maxBufferedBytes, onDrop } = resolved;
  const events = emitter<unknown>();
  const statuses = emitter<ClientStatus>();
  const queue = outgoingQueue();
  let admission: Admission | null = null;
  let resolveClosed!: (reason: StopReason) => void;

  /** Hands over what has waited, unless it has waited for somebody else. */
  const flush = (isOther: boolean, send: (text: string) => void): void => {
    const waiting = queue.takeAll();
    for (const { text, onSent, onDropped } of waiting) {
      if (isOther) onDropped?.('other_session');
      else {
        send(text);
        onSent?.();
      }
    }
    if (isOther && waiting.length > 0) onDrop?.('other_session');
  };

  const connector = makeConnector(host, resolved, {
    onAdmitted(socket, authOk) {
      const earlier = admission;
      admission = authOk ? admissionOf(authOk) : null;
      flush(!!earlier && !!admission && earlier.sessionId !== admission.sessionId, (text) =>
        socket.send(text),
      );
    },
    onFrame(frame: Frame) {
      if (frame.event === 'auth.ok') admission = admissionOf(frame);
      if (!requests.take(frame)) events.emit(frame.event, frame.data);
    },
    onDrop: (reason) => onDrop?.(reason),
    onLost: () => requests.lost(),
    onStatus: (status) => statuses.emit('', status),
    onStop(reason) {
      queue.takeAll();
      requests.stop();
      resolveClosed(reason);
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
  const requests = trackRequests(host, { transmit, withdraw: queue.delete });

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
