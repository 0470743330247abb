import { inWords, perMinute, when, type DoctorCheck } from './doctor-check.js';

const LARGE_MESSAGE_BYTES = 1_048_576;
const DEEP = 64;
const MANY_NODES = 100_000;
const MANY_FRAGMENTS = 1_024;
const MANY_CHUNKS = 16_384;
const SLOW_MESSAGE_MS = 60_000;
const MANY_CONTROL_FRAMES = 100;
const LONG_QUEUE = 1_000;
const LARGE_OUTBOUND_BYTES = 16_777_216;
/** Twenty times what is the default. */
const MANY_MESSAGES_PER_MINUTE = 60_000;
const MANY_MESSAGES_OF_USER_PER_MINUTE = 120_000;
/** 10 MiB a second. */
const MANY_BYTES_PER_MINUTE = 10 * 1_048_576 * 60;
const MANY_VIOLATIONS_PER_MINUTE = 6_000;

/** What clients may send, and what is kept for them. */
export const MESSAGE_CHECKS: readonly DoctorCheck[] = [
  {
    id: 'message-large',
    severity: 'warning',
    title: 'Large messages are taken',
    rows: ['MS-01'],
    asvs: ['2.4.1', '15.2.2'],
    fix: 'lower message.maxPayloadBytes, and let files come over HTTP',
    find: ({ options: { message } }) =>
      when(
        message.maxPayloadBytes > LARGE_MESSAGE_BYTES,
        `message.maxPayloadBytes is ${message.maxPayloadBytes}: each connection may hold that much memory with one message`,
      ),
  },
  {
    id: 'message-deep',
    severity: 'warning',
    title: 'Deep or crowded messages are taken',
    rows: ['MS-05'],
    asvs: ['2.2.1', '15.2.2'],
    fix: 'lower message.maxDepth and message.maxNodes',
    find: ({ options: { message } }) =>
      when(
        message.maxDepth > DEEP || message.maxNodes > MANY_NODES,
        `message.maxDepth is ${message.maxDepth} and message.maxNodes ${message.maxNodes}: JSON that is cheap to send is dear to walk`,
      ),
  },
  {
    id: 'fragments-many',
    severity: 'warning',
    title: 'Messages may come in many pieces, or slowly',
    rows: ['TH-04'],
    asvs: ['2.4.1', '15.2.2'],
    fix: 'lower message.maxFragments, message.maxBufferedChunks and message.fragmentTimeoutMs',
    find: ({ options: { message } }) =>
      when(
        message.maxFragments > MANY_FRAGMENTS ||
          message.maxBufferedChunks > MANY_CHUNKS ||
          message.fragmentTimeoutMs > SLOW_MESSAGE_MS,
        `a message may come in ${message.maxFragments} frames (message.maxFragments) and ${message.maxBufferedChunks} chunks, and take ${inWords(message.fragmentTimeoutMs)}`,
      ),
  },
  {
    id: 'control-frames-many',
    severity: 'warning',
    title: 'Pings are hardly limited',
    rows: ['TH-03'],
    asvs: ['2.4.1'],
    fix: 'lower message.maxControlFramesPerSecond',
    find: ({ options: { message } }) =>
      when(
        message.maxControlFramesPerSecond > MANY_CONTROL_FRAMES,
        `message.maxControlFramesPerSecond is ${message.maxControlFramesPerSecond}: each ping is answered`,
      ),
  },
  {
    id: 'compression-on',
    severity: 'warning',
    title: 'Messages are compressed',
    rows: ['TH-06'],
    asvs: ['15.2.2'],
    fix: 'leave message.compression out',
    find: ({ options: { message } }) =>
      when(
        message.compression,
        'message.compression is on: it costs memory and time, and lengths tell who chooses a part of a message what else is in it (CRIME, BREACH)',
      ),
  },
  {
    id: 'concurrency-infinite',
    severity: 'warning',
    title: 'Handlers run without limit',
    rows: ['TH-10', 'MS-07'],
    asvs: ['2.3.1', '15.2.2'],
    fix: 'set a number in message.concurrency or @WsConcurrency()',
    find: ({ options, gateways }) => {
      const handlers = gateways.flatMap(({ name, handlers: declared }) =>
        declared
          .filter(({ concurrency }) => concurrency === Infinity)
          .map(({ method }) => `${name}.${method}()`),
      );
      const places = [
        ...(options.message.concurrency === Infinity ? ['message.concurrency'] : []),
        ...gateways.filter(({ concurrency }) => concurrency === Infinity).map(({ name }) => name),
        ...handlers,
      ];
      return when(
        places.length > 0,
        `${places.join(', ')} is Infinity: messages overtake each other, and one client may start as many handlers as it sends messages`,
      );
    },
  },
  {
    id: 'queue-long',
    severity: 'notice',
    title: 'Many messages wait for their turn',
    rows: ['TH-10'],
    asvs: ['15.2.2'],
    fix: 'lower message.maxQueued',
    find: ({ options: { message } }) =>
      when(
        message.maxQueued > LONG_QUEUE,
        `message.maxQueued is ${message.maxQueued}, each of up to message.maxPayloadBytes, for every connection`,
      ),
  },
  {
    id: 'outbound-large',
    severity: 'warning',
    title: 'Much is kept for clients that do not read',
    rows: ['TH-05'],
    asvs: ['15.2.2'],
    fix: 'lower message.outbound.maxBytes',
    find: ({ options: { message } }) =>
      when(
        message.outbound.maxBytes > LARGE_OUTBOUND_BYTES,
        `message.outbound.maxBytes is ${message.outbound.maxBytes}: every client that stops reading holds that much memory`,
      ),
  },
  {
    id: 'throttle-loose',
    severity: 'warning',
    title: 'The rate of messages is as good as off',
    rows: ['TH-02'],
    asvs: ['2.4.1'],
    fix: 'lower throttle.perConnection and throttle.perUser, and give dear handlers limits by @WsThrottle()',
    find: ({ options: { throttle } }) =>
      when(
        perMinute(throttle.perConnection) > MANY_MESSAGES_PER_MINUTE ||
          perMinute(throttle.perUser) > MANY_MESSAGES_OF_USER_PER_MINUTE,
        `throttle lets a connection send ${Math.round(perMinute(throttle.perConnection))} messages a minute, and a user ${Math.round(perMinute(throttle.perUser))}`,
      ),
  },
  {
    id: 'throttle-bytes-loose',
    severity: 'warning',
    title: 'The rate of bytes is as good as off',
    rows: ['TH-02'],
    asvs: ['2.4.1'],
    fix: 'lower throttle.perConnectionBytes',
    find: ({ options: { throttle } }) =>
      when(
        perMinute(throttle.perConnectionBytes) > MANY_BYTES_PER_MINUTE,
        `throttle.perConnectionBytes lets a connection send ${Math.round(perMinute(throttle.perConnectionBytes) / 60)} bytes a second`,
      ),
  },
  {
    id: 'throttle-not-shared',
    severity: 'notice',
    title: 'Each node counts messages for itself',
    rows: ['TH-02'],
    asvs: ['2.4.1'],
    fix: 'leave throttle.perUser.shared out',
    find: ({ options: { redis, throttle } }) =>
      when(
        redis !== undefined && !throttle.perUser.shared,
        'throttle.perUser.shared is false: a user has the whole rate on every node',
      ),
  },
  {
    id: 'violations-patient',
    severity: 'warning',
    title: 'Who breaks limits is kept',
    rows: ['TH-02'],
    asvs: ['2.4.1'],
    fix: 'lower throttle.violations and throttle.malformed',
    find: ({ options: { throttle } }) =>
      when(
        perMinute(throttle.violations) > MANY_VIOLATIONS_PER_MINUTE ||
          perMinute(throttle.malformed) > MANY_VIOLATIONS_PER_MINUTE,
        `throttle forgives ${Math.round(perMinute(throttle.violations))} refused and ${Math.round(perMinute(throttle.malformed))} malformed messages a minute`,
      ),
  },
];
