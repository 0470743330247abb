import type { Duplex } from 'node:stream';
import { CompletionWatch } from '../core/message/completion-watch.js';
import { endSocket } from './end-socket.js';
import { FRAME_FAULT } from './frame-fault.js';
import type { GuardedSocket } from './guarded-socket.js';
import type { SocketRules } from './socket-rules.js';
import { TurnCork } from './turn-cork.js';
import { CONNECTION_KEY } from './ws-auth.constants.js';
import type { WsAuthEngine } from './ws-auth.engine.js';

/** The rules that the options of an application make for its sockets. */
export function makeSocketRules(
  engine: WsAuthEngine,
  upgraded: (raw: Duplex) => void,
): SocketRules<GuardedSocket> {
  const { options, wheel, monotonic, outboundCounts } = engine;
  const { outbound, fragmentTimeoutMs, maxControlFramesPerSecond } = options.message;
  return {
    now: monotonic,
    upgraded,
    outbound,
    maxControlFramesPerSecond,
    completion: new CompletionWatch<GuardedSocket>({
      wheel,
      now: monotonic,
      timeoutMs: fragmentTimeoutMs,
      isHeldUp: (socket) => socket.isPaused,
      onLate: (socket) => socket.fail(FRAME_FAULT.tooSlow),
    }),
    cork: new TurnCork(),
    counts: outboundCounts,
    end: (socket, ending) => endSocket(engine, socket, ending),
    cut: (socket, reason) => {
      const connection = socket[CONNECTION_KEY];
      const { publicConnection } = socket;
      if (connection) engine.connections.cut(connection, reason);
      else if (publicConnection) engine.publicConnections.cut(publicConnection, reason);
    },
  };
}
