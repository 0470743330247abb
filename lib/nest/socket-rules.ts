import type { Duplex } from 'node:stream';
import type { Clock } from '../core/clock.js';
import type { Ending } from '../core/connection.js';
import type { CompletionWatch } from '../core/message/completion-watch.js';
import type { ResolvedMessageOptions } from '../core/message/message-options.js';
import type { OutboundCounts } from './outbound-overflow.js';
import type { TurnCork } from './turn-cork.js';

/** Where the options of a server, which ws hands to each socket, have its rules. */
export const SOCKET_RULES = Symbol('nestjs-ws-auth:socket-rules');

/** What all sockets of an application have in common. */
export interface SocketRules<Socket extends object> {
  /** Monotonic. */
  readonly now: Clock;
  readonly outbound: ResolvedMessageOptions['outbound'];
  readonly maxControlFramesPerSecond: number;
  readonly completion: CompletionWatch<Socket>;
  readonly cork: TurnCork;
  readonly counts: OutboundCounts;
  /** Told of the network socket of each, when it has become a WebSocket. */
  upgraded(raw: Duplex): void;
  /** Ends a socket whose peer has broken a rule: fence, audit, Close. */
  end(socket: Socket, ending: Ending): void;
  /** Fences a socket that was cut, and tells the audit log why. */
  cut(socket: Socket, reason: string): void;
}
