import { Subscription, type Observable } from 'rxjs';
import type { GuardedSocket } from './guarded-socket.js';

/** What becomes of the values of an Observable. */
export interface ReplyObserver {
  readonly onReply: (value: unknown) => void;
  /** Asked before each value: without it the Observable is ended. */
  readonly mayReply: () => boolean;
  readonly onError: (error: unknown) => void;
}

/**
 * Sends what a handler's Observable emits, for as long as the socket lives.
 *
 * @returns a promise that is fulfilled with the first value, or when none will come
 */
export function forwardReplies(
  socket: GuardedSocket,
  replies: Observable<unknown>,
  { onReply, mayReply, onError }: ReplyObserver,
): Promise<void> {
  return new Promise((resolve) => {
    const subscription = new Subscription();
    socket.subscriptions.add(subscription);
    subscription.add(() => {
      socket.subscriptions.delete(subscription);
      resolve();
    });
    const inner = replies.subscribe({
      next: (value) => {
        // What is emitted while it is subscribed comes before it can be ended.
        if (subscription.closed) return;
        if (socket.readyState === socket.OPEN && mayReply()) onReply(value);
        else subscription.unsubscribe();
        resolve();
      },
      error: (error) => {
        subscription.unsubscribe();
        onError(error);
      },
      complete: () => subscription.unsubscribe(),
    });
    subscription.add(inner);
  });
}
