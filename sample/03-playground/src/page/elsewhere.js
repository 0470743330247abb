import { connect } from './attempt.js';
import { auth, fetchTicket, fetchToken, VERSION } from './credentials.js';
import { ensureSession, otherSite, ownSite, ports, post, showUser } from './lab.js';

/** Opens three sockets of this session, has it ended by a second login of the same user, and sees them close. */
export async function revokeFromElsewhere(log, _place, kept) {
  const sessions = await ensureSession();
  const { ref } = sessions.find(({ current }) => current);
  const token = await fetchToken(log);
  const ticket = await fetchTicket(log, { path: '/ticket' });
  const ticketUrl = `${otherSite(ports.gateway)}/ticket?ticket=${ticket}`;
  const firstUrl = `${otherSite(ports.gateway)}/first-message`;
  const presentToken = (other) => connect(other, { url: firstUrl, first: auth(token), secrets: [token] });
  kept.presentToken = presentToken;

  const sockets = [
    await connect(log, { url: ticketUrl, protocols: [VERSION], secrets: [ticket], keep: true }),
    await connect(log, { url: firstUrl, first: auth(token), secrets: [token], keep: true }),
    await connect(log, { url: `${ownSite()}/cookie`, protocols: [VERSION], keep: true }),
  ];
  const begun = performance.now();
  const times = sockets.map(({ closed }) => closed.then(() => performance.now() - begun));
  const response = await post('/lab/elsewhere', { ref });
  const { steps } = await response.json();
  for (const step of steps) log.page(`another device: ${step}`);
  const slowest = Math.round(Math.max(...(await Promise.all(times))));
  showUser(null, 'the session was ended');

  const codes = sockets.map(({ code }) => code);
  log.page(`all three closed ${slowest} ms after the other device began to log in`);
  return {
    isStopped: sockets.every(({ isOpen, code }) => isOpen && code === 4410),
    code: codes.find((code) => code !== 4410) ?? 4410,
    browser: `three open, then closed ${codes.join(', ')}, after ${slowest} ms`,
  };
}
