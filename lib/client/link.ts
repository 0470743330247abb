import { FULL_PROTOCOL, type ResolvedClientOptions } from './client-options.js';
import { readClose, type CloseInfo } from './close-reaction.js';
import { readFrame, writeFrame, type DropReason, type Frame } from './frame.js';
import type { ClientSocket, Host } from './host.js';
import { addressFor, type Presented } from './presented-credential.js';

/** What becomes of a link. Nothing is told after `onEnd`, or after `close()`. */
export interface LinkListener {
  /** Once: the server has let the client in, and said so with `auth.ok` unless another subprotocol was chosen. */
  onOpen(link: Link, authOk?: Frame): void;
  onFrame(frame: Frame): void;
  onDrop(reason: DropReason): void;
  /** Once. */
  onEnd(close: CloseInfo): void;
}

/** One socket: from the credential to `auth.ok`, to its end. */
export interface Link {
  readonly socket: ClientSocket;
  /** Gives the socket up as lost, without waiting for anybody. */
  drop(): void;
  /** Ends the link without a word to the listener. */
  close(): void;
}

/** @throws what the WebSocket's constructor does */
export function openLink(
  host: Host,
  options: ResolvedClientOptions,
  credential: Presented | undefined,
  listener: LinkListener,
): Link {
  const socket = new options.WebSocket(...addressFor(options, credential));
  const isAsked = options.mode === 'first-message';
  let isAdmitted = false;
  let isOver = false;

  const end = (close?: CloseInfo): void => {
    if (isOver) return;
    isOver = true;
    cancel();
    if (close) listener.onEnd(close);
  };
  const admit = (authOk?: Frame): void => {
    if (isOver) return;
    isAdmitted = true;
    cancel();
    listener.onOpen(link, authOk);
  };
  const giveUp = (code: number, word: string): void => {
    end(readClose(code, word));
    socket.close();
  };
  const link: Link = {
    socket,
    // No Close frame (RFC 6455 §7.1.5).
    drop: () => giveUp(1006, ''),
    close() {
      end();
      socket.close(1000);
    },
  };
  const cancel = host.after(options.timeoutMs, link.drop);

  socket.addEventListener('open', () => {
    // In another subprotocol there may be no auth.ok to wait for.
    if (socket.protocol !== FULL_PROTOCOL && !isAsked) admit();
  });
  socket.addEventListener('message', ({ data }) => {
    if (isOver) return;
    const frame = readFrame(data, options.maxFrameBytes);
    if (typeof frame === 'string') return listener.onDrop(frame);
    if (!isAdmitted) {
      if (!frame.event.startsWith('auth.')) return listener.onDrop('malformed');
      if (frame.event === 'auth.required') {
        // Asked for what it cannot give: the cookie is of no session. The server would say so when its patience ends.
        if (!isAsked) return giveUp(4401, 'unauthorized');
        socket.send(writeFrame('auth', credential));
      }
      if (frame.event === 'auth.ok') admit(frame);
      if (isOver) return;
    }
    listener.onFrame(frame);
  });
  socket.addEventListener('close', ({ code, reason }) => end(readClose(code, reason)));
  // Close follows and says as much, but for Node's own WebSocket when the handshake fails.
  socket.addEventListener('error', () => socket.protocol || end(readClose(1006, '')));
  return link;
}
