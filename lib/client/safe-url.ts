/** Protocol and host: TLS, or loopback. The host is as URL writes it: what is all digits and dots is an IPv4 address. */
const SAFE = /^(wss:|ws:((.+\.)?localhost|127\.[\d.]+|\[::1\])$)/;
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
    throw new TypeError('url: credential');
  if (!dangerouslyAllowInsecureTransport && !SAFE.test(address.protocol + address.hostname))
    throw new TypeError('url: not wss:');
  return address;
}
