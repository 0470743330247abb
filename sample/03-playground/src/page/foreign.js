// What any page on the web can do: open a socket to somewhere else, and see whether the browser adds a cookie.
document.getElementById('origin').textContent = location.origin;
const url = new URLSearchParams(location.search).get('url');
let isOpen = false;
const socket = new WebSocket(url, ['ws-auth.v1']);
socket.addEventListener('open', () => {
  isOpen = true;
  socket.close(1000);
});
socket.addEventListener('close', ({ code }) => {
  document.getElementById('result').textContent = isOpen ? 'is in.' : `was not let in: ${code}.`;
  parent.postMessage({ type: 'foreign.result', isOpen, code }, '*');
});
