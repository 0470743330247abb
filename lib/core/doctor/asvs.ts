/**
 * The items of the OWASP Application Security Verification Standard 5.0 that the checks touch, and what each asks for, in
 * our words.
 *
 * @see https://owasp.org/www-project-application-security-verification-standard/
 */
export const ASVS = {
  '2.2.1': 'input is held against what is expected of it, at best a list of allowed values',
  '2.3.1': 'the steps of a user are processed in their order',
  '2.4.1': 'excessive calls are kept off by limits',
  '3.3.1': 'cookies are Secure, and their names have a prefix that says so',
  '3.3.2': 'SameSite is set to what the cookie is for',
  '3.3.3': 'cookies of one host have the __Host- prefix',
  '3.5.1': 'requests that browsers send across sites are held against where they come from',
  '4.1.3': 'headers that a proxy sets cannot be set by the client',
  '4.4.1': 'every WebSocket connection is over TLS',
  '4.4.2': 'the Origin of a handshake is held against a list',
  '4.4.3': 'tokens that stand for a session on a WebSocket obey the rules of sessions',
  '4.4.4': 'such tokens are obtained through the authenticated HTTPS session',
  '6.1.1': 'it is written down how guessing of credentials is limited, without locking users out',
  '6.3.1': 'guessing of passwords is limited',
  '7.1.1':
    'idle time and lifetime of sessions are written down, with reasons where they are longer than NIST advises',
  '7.1.2': 'it is written down how many sessions a user may have at once, and what happens beyond',
  '7.3.1': 'sessions end when they are not used',
  '7.3.2': 'sessions have a longest life',
  '7.4.1': 'a session that was ended cannot be used any more',
  '8.2.1': 'functions are open to those only who have explicit permission',
  '8.3.2': 'changes of rights take effect at once',
  '9.1.2': 'token algorithms are on a list, at best of one family, and never "none"',
  '9.1.3': 'token keys come from sources that were configured',
  '9.2.1': 'tokens are taken within their validity only',
  '9.2.2': 'tokens are taken only when they are of the right type',
  '9.2.3': 'tokens are taken only by the audience that they name',
  '11.2.3': 'keys have a strength of at least 128 bits',
  '11.5.1': 'what must not be guessed is random, with at least 128 bits of entropy',
  '12.1.3': 'client certificates are verified before anybody is taken for their owner',
  '12.2.1': 'clients speak TLS to services that face them, and nothing less',
  '12.3.1': 'connections to back-end services are encrypted',
  '13.2.1': 'back-end services authenticate each other',
  '13.2.2': 'accounts at back-end services have the least rights that will do',
  '13.2.3': 'no default credentials are used between services',
  '13.3.1': 'secrets are managed, and in no source code or build',
  '13.3.2': 'each secret is known only where it is needed',
  '13.4.2': 'debug modes are off in production',
  '14.2.1': 'nothing sensitive stands in a URL',
  '15.2.1': 'components are kept up to date',
  '15.2.2': 'what costs much cannot be used to take the service down',
  '15.2.3': 'production has nothing in it that is for development',
  '15.3.4': 'the address of a client is read from fields that it cannot set',
  '16.2.4': 'log entries can be correlated',
  '16.3.1': 'logins are logged, the successful and the others',
  '16.3.3': 'attempts to get around the controls are logged',
  '16.4.1': 'what is logged cannot forge log entries',
  '16.5.2': 'the application stays safe while something that it needs is away',
  '16.5.3': 'the application fails safely',
} as const;

/** The number of an item of the ASVS 5.0. */
export type AsvsItem = keyof typeof ASVS;
