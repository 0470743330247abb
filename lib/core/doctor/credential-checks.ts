import { inWords, listed, when, type DoctorCheck } from './doctor-check.js';

const USUAL_TICKET_MS = 30_000;
const MANY_OUTSTANDING = 100;
const MANY_TICKETS_PER_MINUTE = 600;
const SLOW_FIRST_MESSAGE_MS = 15_000;
const LARGE_FIRST_MESSAGE_BYTES = 16_384;
const LARGE_HELD_BYTES = 1_048_576;
const MANY_WAITING = 10_000;
const MANY_WAITING_OF_ADDRESS = 200;

/** Texts that would cut a log line, a header or a key in two. */
const UNSAFE_IDS = ['', 'a\nb', 'a\u0000b', 'a\u2028b', 'x'.repeat(10_000)];

/** How clients prove who they are. */
export const CREDENTIAL_CHECKS: readonly DoctorCheck[] = [
  {
    id: 'basic-passwords',
    severity: 'warning',
    elsewhere: 'notice',
    title: 'Passwords come with handshakes',
    rows: ['CR-04', 'CR-05'],
    asvs: ['6.1.1', '6.3.1'],
    fix: 'take "basic" out of credentials and use tickets, or set basic.tokenUser without basic.verify',
    find: ({ options }) =>
      when(
        options.credentials.includes('basic') && options.basic?.verify !== undefined,
        'credentials lists "basic": browsers send the password with every later handshake, and anybody may guess',
      ),
  },
  {
    id: 'basic-plain',
    severity: 'warning',
    title: 'Passwords come without TLS',
    rows: ['CR-04'],
    asvs: ['12.2.1'],
    fix: 'give the server a certificate, or name the proxy that ends TLS in proxy.trusted',
    find: ({ options, isTlsServer }) =>
      when(
        options.credentials.includes('basic') && isTlsServer === false && options.proxy.trusted.length === 0,
        'credentials lists "basic", and the server speaks plain HTTP: a password is taken over loopback outside production, and refused 403 elsewhere',
      ),
  },
  {
    id: 'client-certificate-plain',
    severity: 'warning',
    title: 'No client certificate can arrive',
    rows: ['HS-15'],
    asvs: ['12.1.3'],
    fix: 'let this server speak TLS and ask for certificates, or take "client-certificate" out of credentials',
    find: ({ options, isTlsServer }) =>
      when(
        options.credentials.includes('client-certificate') && isTlsServer === false,
        'credentials lists "client-certificate", and the server speaks plain HTTP: a proxy that ends TLS keeps the certificate',
      ),
  },
  {
    id: 'cookie-without-ticket',
    severity: 'notice',
    title: 'Cookies are the only way in for browsers',
    rows: ['OR-06', 'CK-01'],
    asvs: ['3.5.1', '4.4.2'],
    fix: 'list "ticket" in credentials, and take "cookie" out when clients use it',
    find: ({ options: { credentials } }) =>
      when(
        credentials.includes('cookie') && !credentials.includes('ticket'),
        'credentials lists "cookie" and not "ticket": browsers send cookies by themselves, so that the Origin check alone keeps other sites out',
      ),
  },
  {
    id: 'cookie-cross-site',
    severity: 'warning',
    title: 'The session cookie goes across sites',
    rows: ['CK-01'],
    asvs: ['3.3.2', '3.5.1'],
    fix: 'leave cookie.sameSite out where pages and sockets are of one site',
    find: ({ options }) =>
      when(
        options.cookie.sameSite === 'none',
        'cookie.sameSite is "none": only the Origin check keeps other sites from using the session cookie',
      ),
  },
  {
    id: 'cookie-plain',
    severity: 'notice',
    title: 'The session cookie may travel without TLS',
    rows: ['CK-01'],
    asvs: ['3.3.1', '3.3.3'],
    fix: 'set cookie.secure: true; production always does',
    find: ({ options }) =>
      when(
        options.credentials.includes('cookie') && options.cookie.secure === 'auto',
        'cookie.secure is "auto": without TLS, and not on loopback, the cookie goes without Secure and __Host-',
      ),
  },
  {
    id: 'reader-ambient',
    severity: 'notice',
    title: 'A credential that browsers send by themselves',
    rows: ['OR-04', 'CR-01'],
    asvs: ['3.5.1', '4.4.2'],
    fix: 'let the reader of the option readers read what only script can send, such as a subprotocol',
    find: ({ options }) => {
      const kinds = options.readers.filter(({ ambient }) => ambient).map(({ kind }) => kind);
      return when(
        kinds.length > 0,
        `readers has ${listed(kinds)}, which is ambient: the Origin check alone keeps other sites out`,
      );
    },
  },
  {
    id: 'reader-in-url',
    severity: 'notice',
    title: 'A credential of your own in the URL',
    rows: ['CR-02'],
    asvs: ['14.2.1'],
    fix: 'read it from a header in the option readers, or make sure that it is good once and for seconds',
    find: ({ options }) => {
      const kinds = options.readers.filter(({ parameters = [] }) => parameters.length > 0);
      return when(
        kinds.length > 0,
        `readers has ${listed(kinds.map(({ kind }) => kind))}, which reads the URL: every proxy before this node can log it`,
      );
    },
  },
  {
    id: 'ticket-without-cookie',
    severity: 'notice',
    title: 'A ticket may be given away',
    rows: ['TK-05'],
    asvs: ['4.4.4'],
    fix: 'set ticket.requiresCookie: true where pages and sockets are of one host',
    find: ({ options: { credentials, ticket } }) =>
      when(
        credentials.includes('ticket') && credentials.includes('cookie') && !ticket.requiresCookie,
        'ticket.requiresCookie is off: a page of an allowed origin may connect a visitor by a ticket of somebody else',
      ),
  },
  {
    id: 'ticket-long',
    severity: 'notice',
    title: 'Tickets live long',
    rows: ['TK-03'],
    asvs: ['4.4.3'],
    fix: 'set ticket.ttlMs to 30,000 or less',
    find: ({ options: { ticket } }) =>
      when(
        ticket.ttlMs > USUAL_TICKET_MS,
        `ticket.ttlMs is ${inWords(ticket.ttlMs)}: who reads a URL in a log in time may use the ticket in it`,
      ),
  },
  {
    id: 'ticket-many',
    severity: 'warning',
    title: 'One session may have many tickets',
    rows: ['TK-07'],
    asvs: ['2.4.1'],
    fix: 'lower ticket.maxOutstanding and ticket.maxPerMinute',
    find: ({ options: { ticket } }) =>
      when(
        ticket.maxOutstanding > MANY_OUTSTANDING || ticket.maxPerMinute > MANY_TICKETS_PER_MINUTE,
        `ticket.maxOutstanding is ${ticket.maxOutstanding} and ticket.maxPerMinute ${ticket.maxPerMinute}: one script can fill the store`,
      ),
  },
  {
    id: 'first-message-slow',
    severity: 'warning',
    title: 'Sockets may stay long without saying who they are',
    rows: ['FM-02'],
    asvs: ['2.4.1'],
    fix: 'set firstMessage.timeoutMs to 15,000 or less',
    find: ({ options: { credentials, firstMessage } }) =>
      when(
        credentials.includes('first-message') && firstMessage.timeoutMs > SLOW_FIRST_MESSAGE_MS,
        `firstMessage.timeoutMs is ${inWords(firstMessage.timeoutMs)}: anybody holds a socket for that long`,
      ),
  },
  {
    id: 'first-message-large',
    severity: 'warning',
    title: 'Much is kept for sockets that have not said who they are',
    rows: ['FM-03'],
    asvs: ['2.4.1', '15.2.2'],
    fix: 'lower firstMessage.maxBytes and firstMessage.maxHeldBytes',
    find: ({ options: { credentials, firstMessage } }) =>
      when(
        credentials.includes('first-message') &&
          (firstMessage.maxBytes > LARGE_FIRST_MESSAGE_BYTES || firstMessage.maxHeldBytes > LARGE_HELD_BYTES),
        `firstMessage.maxBytes is ${firstMessage.maxBytes} and firstMessage.maxHeldBytes ${firstMessage.maxHeldBytes}: anybody may have that much memory`,
      ),
  },
  {
    id: 'first-message-crowd',
    severity: 'warning',
    title: 'Many sockets may wait without saying who they are',
    rows: ['FM-06'],
    asvs: ['2.4.1', '15.2.2'],
    fix: 'lower firstMessage.maxWaiting and firstMessage.maxWaitingPerAddress',
    find: ({ options: { credentials, firstMessage } }) =>
      when(
        credentials.includes('first-message') &&
          (firstMessage.maxWaiting > MANY_WAITING ||
            firstMessage.maxWaitingPerAddress > MANY_WAITING_OF_ADDRESS),
        `firstMessage.maxWaiting is ${firstMessage.maxWaiting} and firstMessage.maxWaitingPerAddress ${firstMessage.maxWaitingPerAddress}`,
      ),
  },
  {
    id: 'principal-id-loose',
    severity: 'warning',
    title: 'Ids of principals may be anything',
    rows: ['CR-06'],
    asvs: ['2.2.1', '16.4.1'],
    fix: 'anchor principalIdPattern by ^ and $, and bound its length',
    find: ({ options }) =>
      when(
        UNSAFE_IDS.some((id) => options.principalIdPattern.test(id)),
        'principalIdPattern takes ids that are empty, very long, or have control characters or line ends in them',
      ),
  },
  {
    id: 'callers-own',
    severity: 'notice',
    title: 'The application says who calls /ws-auth',
    rows: ['TK-07'],
    asvs: ['4.4.4'],
    fix: 'make sure that controller.authenticate refuses who is not logged in, and takes no credential of another site',
    find: ({ hasOwnCallers }) =>
      when(
        hasOwnCallers,
        'controller.authenticate takes the place of the library in front of tickets, logout and sessions',
      ),
  },
];
