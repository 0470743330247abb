import { make } from './dom.js';
import { ensureSession, ownSite } from './lab.js';

const PATIENCE_MS = 10_000;

/** Shows somebody else's page, which tries to open a socket with the cookie of this browser. */
export async function openForeignPage(log, origin, place) {
  await ensureSession();
  const url = `${ownSite()}/cookie`;
  const reported = nextReport(origin);
  const frame = make('iframe', { class: 'foreign', title: `A page of ${origin}` });
  frame.src = `${origin}/foreign.html?url=${encodeURIComponent(`${url}?try=${log.attempt}`)}`;
  place.replaceChildren(frame);
  log.page(`a page of ${origin} says new WebSocket("${url}")`);
  const report = await reported;
  if (!report) return { isStopped: false, browser: 'the foreign page does not report' };
  log.page(`there: ${report.isOpen ? 'open' : `closed ${report.code}`}`);
  await log.heard('refused');
  return {
    isStopped: !report.isOpen,
    code: log.handshakes[0]?.audits[0]?.status,
    browser: report.isOpen
      ? 'the foreign page is in'
      : `the foreign page sees ${report.code}, and no word of why`,
  };
}

function nextReport(origin) {
  return new Promise((resolve) => {
    const listener = (event) => {
      if (event.origin === origin && event.data?.type === 'foreign.result') done(event.data);
    };
    const timer = setTimeout(() => done(undefined), PATIENCE_MS);
    function done(report) {
      clearTimeout(timer);
      removeEventListener('message', listener);
      resolve(report);
    }
    addEventListener('message', listener);
  });
}
