const LOOPBACK = /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;
const SECRET_PARAMETER = /[?&](ticket|token|access_token|jwt|auth)\b/i;

/**
 * The address of the gateway, as a browser may show it and a log may hold it: no credential in it, and TLS but for loopback.
 * The errors do not repeat it.
 *
 * @throws {TypeError}
 */
export function safeUrl(
  { url, dangerouslyAllowInsecureTransport }: { url: string; dangerouslyAllowInsecureTransport?: boolean },
  href?: string,
): URL {
  const address = new URL(url, href);
  address.protocol = address.protocol.replace('http', 'ws');
  address.hash = '';
  if (address.username || address.password || SECRET_PARAMETER.test(address.search))
    throw new TypeError('url: holds a credential');
  const isLocal = address.protocol === 'ws:' && LOOPBACK.test(address.hostname);
  if (address.protocol !== 'wss:' && !isLocal && !dangerouslyAllowInsecureTransport)
    throw new TypeError('url: not wss:, nor dangerouslyAllowInsecureTransport');
  return address;
}
