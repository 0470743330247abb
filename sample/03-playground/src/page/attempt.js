const HELLO = '{"event":"hello"}';

/**
 * Opens a socket and says hello. It is in when the gateway answers, and not when the browser says "open": a refusal that a
 * script can read is a close code after the upgrade.
 *
 * @param secrets texts that must not be shown
 * @param first what is sent before hello
 * @param keep resolve when the gateway has answered, and leave the socket open
 * @returns what came of it; `frames`, `code` and `reason` go on to change while it is open
 */
export async function connect(log, { url, protocols = [], first, secrets = [], keep = false }) {
  const hide = (text) => secrets.reduce((shown, secret) => shown.replaceAll(secret, '•••'), text);
  const offered = protocols.length > 0 ? `, ${hide(JSON.stringify(protocols))}` : '';
  log.page(`new WebSocket("${hide(url)}"${offered})`);
  const result = {
    isOpen: false,
    frames: [],
    code: undefined,
    reason: '',
    socket: undefined,
    closed: undefined,
  };
  let socket;
  try {
    socket = new WebSocket(`${url}${url.includes('?') ? '&' : '?'}try=${log.attempt}`, protocols);
  } catch (error) {
    log.page(`it throws ${error.name}`);
    return Object.assign(result, { browser: `refuses to try: ${error.name}` });
  }
  result.socket = socket;
  const send = (text) => {
    socket.send(text);
    log.page(`→ ${hide(text)}`);
  };
  result.closed = new Promise((resolve) => {
    socket.addEventListener('close', ({ code, reason }) => {
      log.page(`closed ${code}${reason ? ` ${reason}` : ''}`);
      Object.assign(result, { code, reason });
      resolve(result);
    });
  });
  const answered = new Promise((resolve) => {
    socket.addEventListener('message', ({ data }) => {
      result.frames.push(data);
      if (log.isQuiet) return;
      log.page(`← ${data}`);
      if (JSON.parse(data).event !== 'hello') return;
      result.isOpen = true;
      if (!keep) socket.close(1000);
      resolve();
    });
  });
  socket.addEventListener('open', () => {
    log.page(`open${socket.protocol ? `, with "${socket.protocol}"` : ''}`);
    if (first) send(first);
    send(HELLO);
  });
  await (keep ? Promise.race([answered, result.closed]) : result.closed);
  await log.heard(result.isOpen ? 'success' : 'refused');
  return Object.assign(result, { browser: describe(result, socket) });
}

function describe({ isOpen, code, reason }, { protocol }) {
  if (isOpen) return `open${protocol ? `, with ${protocol}` : ''}, and answered`;
  if (code === 1006) return '1006, and no word of why';
  return `closed ${code} ${reason.split(';', 1)[0]}`;
}
