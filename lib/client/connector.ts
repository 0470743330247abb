import type { ClientStatus, StopReason } from './client.js';
import type { ClientError } from './client-error.js';
import type { ResolvedClientOptions } from './client-options.js';
import { reactionTo, type CloseInfo, type StopKind } from './close-reaction.js';
import { credentialSource } from './credential-source.js';
import { writeFrame, type DropReason, type Frame } from './frame.js';
import type { ClientSocket, Host } from './host.js';
import { openLink, type Link } from './link.js';
import type { Presented } from './presented-credential.js';
import { startRefresher, type Refresher } from './refresher.js';
import { isVisible, watchWakes } from './wakes.js';

/** What a connector tells. */
export interface ConnectorListener {
  /** Before the status is `open`: what was waiting goes first. */
  onOpen(socket: ClientSocket, authOk?: Frame): void;
  onFrame(frame: Frame): void;
  onDrop(reason: DropReason): void;
  /** `closed` is the last. */
  onStatus(status: ClientStatus): void;
}

/** Makes one connection after the other, when and as long as it should. */
export interface Connector {
  readonly status: ClientStatus;
  /** The socket that messages go over, or none now. */
  readonly socket: ClientSocket | undefined;
  connect(): Promise<void>;
  refresh(): void;
  stop(kind: StopKind): void;
}

/** The ceiling of the first wait; each further one is twice as high. */
const BACK_OFF_MS = 1_000;
/** The longest wait that a server may ask for. */
const MAX_RETRY_MS = 3_600_000;
/** The `readyState` of a socket of which neither side has begun to close. */
const OPEN = 1;

/** A connector that has not begun. */
export function makeConnector(
  host: Host,
  options: ResolvedClientOptions,
  listener: ConnectorListener,
): Connector {
  let status: ClientStatus = { state: 'connecting' };
  let link: Link | undefined;
  let refresher: Refresher | undefined;
  let cancelWait = (): void => {};
  /** Counts attempts, so that one that is given up can tell. */
  let attempts = 0;
  let attemptAt = 0;
  /** Before this time neither a look at the page nor the application cuts a wait short. */
  let notBefore = 0;
  let admittedAt = Infinity;
  /** Attempts in a row that led to no stable connection. */
  let failures = 0;
  /** Whether the last credential was refused or ran out. */
  let isStale = false;
  /** Whether a refused credential was followed by one more. */
  let hasTriedOnceMore = false;

  const source = credentialSource(host, options, (credential) => void refresher?.refresh(credential));

  const setStatus = (next: ClientStatus): void => {
    status = next;
    listener.onStatus(next);
  };

  /** @returns whether the connection that there was counts as a success */
  const release = (): boolean => {
    const isStable = host.now() - admittedAt >= options.stableMs;
    refresher?.stop();
    refresher = link = undefined;
    admittedAt = Infinity;
    if (isStable) {
      failures = 0;
      hasTriedOnceMore = false;
    }
    return isStable;
  };

  const stop = (kind: StopKind, why?: Omit<StopReason, 'kind'>): void => {
    if (status.state === 'closed') return;
    attempts += 1;
    cancelWait();
    link?.close();
    release();
    unwatch();
    source?.close();
    setStatus({ state: 'closed', kind, ...why });
  };

  const connect = async (): Promise<void> => {
    cancelWait();
    attempts += 1;
    const attempt = attempts;
    attemptAt = host.now();
    setStatus({ state: 'connecting' });
    try {
      const credential = await source?.get(false, isStale);
      if (attempt === attempts) open(credential);
    } catch (error) {
      if (attempt !== attempts) return;
      failures += 1;
      if ((error as Partial<ClientError>)?.code === 'bad_credential') stop('bad_credential', { error });
      else wait(backOffMs(), { error });
    }
  };

  const open = (credential: Presented | null | undefined): void => {
    if (credential === null) return stop('no_credential');
    try {
      link = openLink(host, options, credential, {
        ...listener,
        onOpen: admitted,
        onFrame,
        onEnd,
      });
    } catch (error) {
      stop('blocked', { error });
    }
  };

  const admitted = ({ socket, drop }: Link, authOk?: Frame): void => {
    admittedAt = host.now();
    isStale = false;
    refresher = startRefresher(host, options.timeoutMs, {
      fetch: async () => source?.get(true, true),
      send: (credential) => socket.send(writeFrame('auth.refresh', credential)),
      drop,
    });
    listener.onOpen(socket, authOk);
    if (link) setStatus({ state: 'open' });
  };

  const onFrame = (frame: Frame): void => {
    refresher?.take(frame);
    listener.onFrame(frame);
  };

  const onEnd = (close: CloseInfo): void => {
    if (!release()) failures += 1;
    react(close);
  };

  /** Does what the close code table says. */
  const react = (close: CloseInfo): void => {
    const reaction = reactionTo(close);
    const why = { close };
    // What is to happen at once happens at once for the first time in a row.
    const soonMs = failures > 1 ? backOffMs() : 0;
    switch (reaction) {
      case 'back-off':
        if (close.retryAfterMs === undefined) return wait(backOffMs(), why);
        return wait(Math.max(Math.min(close.retryAfterMs, MAX_RETRY_MS), soonMs), why, true);
      case 'on-demand':
        if (isVisible(host)) return wait(backOffMs(), why);
        return setStatus({ state: 'asleep', ...why });
      case 'once-more':
        if (hasTriedOnceMore) return stop('unauthorized', why);
        isStale = hasTriedOnceMore = true;
        return wait(0, why);
      case 'at-once':
        isStale = true;
        return wait(soonMs, why);
      default:
        return stop(reaction, why);
    }
  };

  const backOffMs = (): number =>
    host.random() * Math.min(options.maxBackOffMs, BACK_OFF_MS * 2 ** Math.max(0, failures - 1));

  const wait = (retryInMs: number, why: Omit<StopReason, 'kind'>, isTold?: boolean): void => {
    if (failures >= options.maxAttempts) return stop('gave_up', why);
    // A page that is hidden and shown again and again is no reason to try again and again.
    notBefore = isTold ? host.now() + retryInMs : attemptAt + BACK_OFF_MS;
    cancelWait = host.after(retryInMs, () => void connect());
    setStatus({ state: 'waiting', retryInMs, ...why });
  };

  /** Leaves a connection that nobody can vouch for, and makes another with a fresh credential. */
  const reconnect = (): void => {
    link?.close();
    release();
    isStale = true;
    void connect();
  };

  const unwatch = watchWakes(host, (wake) => {
    const { state } = status;
    if (state === 'asleep' && isVisible(host)) void connect();
    if (state === 'waiting' && host.now() >= notBefore) void connect();
    if (state !== 'open' && state !== 'connecting') return;
    if (wake === 'slept') reconnect();
    else if (wake === 'visible') refresher?.check();
    else if (source) void refresher?.refresh();
    else if (state === 'open') reconnect();
  });

  return {
    get status() {
      return status;
    },
    get socket() {
      return status.state === 'open' && link?.socket.readyState === OPEN ? link.socket : undefined;
    },
    connect,
    refresh() {
      if (refresher) return void refresher.refresh();
      isStale = true;
      if (status.state !== 'closed' && host.now() >= notBefore) reconnect();
    },
    stop,
  };
}
