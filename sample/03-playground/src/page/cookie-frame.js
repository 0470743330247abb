import { make } from './dom.js';

const PATIENCE_MS = 10_000;

/** Hands a ticket to the library's page on another host, which has the cookie there. @returns the frame's answer, or none */
export async function fetchCookieByFrame(log, host, ticket) {
  const frame = make('iframe', { hidden: '', title: 'Session cookie of another site' });
  const ready = nextMessage(host, 'ws-auth.ready');
  frame.src = `${host}/ws-auth/cookie-frame`;
  document.body.append(frame);
  log.page(`hidden frame ${frame.src}`);
  try {
    if (!(await ready)) return undefined;
    const answered = nextMessage(host, 'ws-auth.cookie');
    frame.contentWindow.postMessage({ type: 'ws-auth.cookie', ticket }, host);
    log.page('→ postMessage {"type":"ws-auth.cookie","ticket":"•••"}');
    const answer = await answered;
    log.page(answer ? `← postMessage ${JSON.stringify(answer)}` : 'the frame does not answer');
    return answer;
  } finally {
    frame.remove();
  }
}

function nextMessage(host, type) {
  return new Promise((resolve) => {
    const listener = ({ origin, data }) => {
      if (origin !== host || data?.type !== type) return;
      done(data);
    };
    const timer = setTimeout(() => done(undefined), PATIENCE_MS);
    function done(data) {
      clearTimeout(timer);
      removeEventListener('message', listener);
      resolve(data);
    }
    addEventListener('message', listener);
  });
}
