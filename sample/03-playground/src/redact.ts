const MASK = '•••';
const SHOWN = ['host', 'origin', 'cookie', 'authorization', 'sec-websocket-protocol'];
const CARRIERS = ['ticket.ws-auth.', 'base64url.bearer.ws-auth.'];

/** The head of a handshake as people may see it. */
export interface ShownHandshake {
  /** The attempt of the page that it belongs to, by its parameter `try`. */
  readonly attempt: string | undefined;
  /** The request line and the headers that matter here, in the order in which they came. */
  readonly lines: readonly string[];
}

/** Takes every credential out of the head of a handshake. @returns `undefined` for what is no handshake */
export function showHandshake(head: string): ShownHandshake | undefined {
  const [requestLine = '', ...headers] = head.split('\r\n');
  const [method, target = '', version] = requestLine.split(' ');
  if (!headers.some((line) => /^upgrade: *websocket$/i.test(line))) return undefined;
  const [path, query = ''] = target.split('?', 2);
  const parameters = query.split('&').filter((pair) => pair !== '');
  const attempt = parameters.find((pair) => pair.startsWith('try='))?.slice('try='.length);
  const shown = parameters.filter((pair) => !pair.startsWith('try=')).map(hideParameter);
  const request = [method, shown.length > 0 ? `${path}?${shown.join('&')}` : path, version].join(' ');
  return { attempt, lines: [request, ...headers.flatMap(showHeader)] };
}

/** Any of them may be a credential, and its name can be written in many ways. */
function hideParameter(pair: string): string {
  return pair.includes('=') ? `${pair.split('=', 1)[0]}=${MASK}` : MASK;
}

function showHeader(line: string): string[] {
  const colon = line.indexOf(':');
  const name = line.slice(0, colon);
  const value = line.slice(colon + 1).trim();
  if (!SHOWN.includes(name.toLowerCase())) return [];
  return [`${name}: ${hideValue(name.toLowerCase(), value)}`];
}

function hideValue(name: string, value: string): string {
  if (name === 'authorization') return `${value.split(' ', 1)[0]} ${MASK}`;
  if (name === 'cookie') return value.split(/; */).map(hideParameter).join('; ');
  if (name === 'sec-websocket-protocol') return value.split(/, */).map(hideProtocol).join(', ');
  return value;
}

function hideProtocol(protocol: string): string {
  const carrier = CARRIERS.find((prefix) => protocol.startsWith(prefix));
  return carrier ? `${carrier}${MASK}` : protocol;
}
