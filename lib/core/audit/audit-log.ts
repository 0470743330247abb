import type { KeyObject } from 'node:crypto';
import { types } from 'node:util';
import type { Clock } from '../clock.js';
import { auditReference } from '../secret-keys.js';
import type { AuditEvent, AuditRecord } from './audit-event.js';
import { SinkQueue, type AuditSink } from './audit-sink.js';
import { FloodFilter } from './flood-filter.js';
import { safeText } from './redaction.js';

/** Hears of each event in the turn in which it happens. What it throws or rejects with is caught and counted. */
export type AuditListener = (event: AuditEvent) => void | Promise<void>;

/** A part of this library that learns from the log: it gets what nobody else may see. Must not throw. */
export type AuditObserver = (record: AuditRecord, event: AuditEvent) => void;

/** What the log is built from. */
export interface AuditLogOptions {
  readonly clock: Clock;
  readonly node: string;
  readonly referenceKey: KeyObject;
  /** Bits of an IPv6 address that count as one client. @default 64 */
  readonly ipv6Prefix?: number;
  /** Called for each loss: the name of the sink, and how many events it has not got. */
  readonly onDropped?: (name: string, count: number) => void;
}

/** How long the end of the process waits for sinks that have something to write. */
const FLUSH_MS = 2_000;

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** Where every admission, refusal and close is told, once. */
export class AuditLog {
  readonly #listeners = new Set<AuditListener>();
  readonly #writers = new Set<AuditListener>();
  readonly #observers: AuditObserver[] = [];
  readonly #queues = new Map<AuditSink, SinkQueue>();
  readonly #options: AuditLogOptions;
  readonly #filter: FloodFilter;
  readonly #droppedOf = new Map<string, number>();
  #dropped = 0;
  #lastTime = Number.NaN;
  #lastText = '';

  constructor(options: AuditLogOptions) {
    this.#options = options;
    this.#filter = new FloodFilter({
      ipv6Prefix: options.ipv6Prefix ?? 64,
      tell: (event) => this.#write(event),
    });
  }

  /** Adds a listener of every single event. @returns a function that takes it out again */
  subscribe(listener: AuditListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @internal Adds a part of this library that learns from every record. */
  observe(observer: AuditObserver): void {
    this.#observers.push(observer);
  }

  /** Adds a writer of lines, called at once: of a flood it gets the first, and counts. */
  addWriter(writer: AuditListener): void {
    this.#writers.add(writer);
  }

  /** Adds a sink behind a queue of its own: of a flood it gets the first, and counts. */
  addSink(sink: AuditSink): void {
    const onDropped = ({ name }: AuditSink, count: number): void => this.#countDropped(name, count);
    this.#queues.set(sink, new SinkQueue({ sink, onDropped }));
  }

  /** Events that a listener or a sink has not got: it has failed, or its queue was full. */
  get dropped(): number {
    return this.#dropped;
  }

  /** The same by the name of the sink; `listener` for everything else. */
  get droppedOf(): ReadonlyMap<string, number> {
    return this.#droppedOf;
  }

  /** Tells everybody. Never throws. */
  record(record: AuditRecord): void {
    const event = this.#eventOf(record);
    for (const observer of this.#observers) observer(record, event);
    for (const listener of this.#listeners) this.#call(listener, event);
    if (this.#writers.size > 0 || this.#queues.size > 0) this.#filter.take(event);
  }

  /** Tells how many refusals were counted since the last time. */
  sweep(): void {
    this.#filter.sweep(this.#options.clock());
  }

  /** Tells what is left to tell, and waits a moment for the sinks. */
  async close(): Promise<void> {
    this.sweep();
    await Promise.all([...this.#queues.values()].map((queue) => queue.flush(FLUSH_MS)));
  }

  /** The reference by which the log names this value. */
  referenceOf(value: string): string {
    return auditReference(this.#options.referenceKey, value);
  }

  #write(event: AuditEvent): void {
    for (const writer of this.#writers) this.#call(writer, event);
    for (const queue of this.#queues.values()) queue.push(event);
  }

  #call(listener: AuditListener, event: AuditEvent): void {
    try {
      const pending = listener(event);
      if (types.isPromise(pending)) pending.catch(() => this.#countDropped('listener', 1));
    } catch {
      this.#countDropped('listener', 1);
    }
  }

  #countDropped(name: string, count: number): void {
    this.#dropped += count;
    this.#droppedOf.set(name, (this.#droppedOf.get(name) ?? 0) + count);
    try {
      this.#options.onDropped?.(name, count);
    } catch {
      // A logger that throws is most likely what has dropped the event.
    }
  }

  /** Field by field: what is not named here cannot get into the log (requirement LG-02). */
  #eventOf(record: AuditRecord): AuditEvent {
    const { sessionId, ticketHash, claim } = record;
    const event: Writable<Omit<AuditEvent, 'node'>> & { node?: string } = {
      ts: this.#timeOf(this.#options.clock()),
      event: record.event,
      outcome: record.outcome,
      reasonCode: safeText(record.reasonCode),
    };
    if (record.status !== undefined) event.status = record.status;
    if (record.closeCode !== undefined) event.closeCode = record.closeCode;
    event.node = this.#options.node;
    if (record.connectionId !== undefined) event.connectionId = record.connectionId;
    if (record.correlationId !== undefined) event.correlationId = record.correlationId;
    if (record.ip !== undefined) event.ip = safeText(record.ip);
    if (record.ipSource !== undefined) event.ipSource = record.ipSource;
    if (record.origin !== undefined) event.origin = safeText(record.origin);
    if (record.path !== undefined) event.path = safeText(record.path);
    if (record.method !== undefined) event.method = record.method;
    if (record.principal !== undefined) event.principal = safeText(record.principal);
    if (sessionId !== undefined) event.sessionRef = this.referenceOf(sessionId);
    if (ticketHash !== undefined) event.ticketRef = this.referenceOf(ticketHash);
    if (claim !== undefined) event.claimRef = this.referenceOf(claim);
    if (record.sockets !== undefined) event.sockets = record.sockets;
    if (record.count !== undefined) event.count = record.count;
    if (record.action !== undefined) event.action = record.action;
    return Object.freeze(event as AuditEvent);
  }

  /** Many events are of one millisecond. */
  #timeOf(now: number): string {
    if (now !== this.#lastTime) {
      this.#lastTime = now;
      this.#lastText = new Date(now).toISOString();
    }
    return this.#lastText;
  }
}
