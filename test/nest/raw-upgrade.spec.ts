import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { rawUpgradeOf } from '../../lib/nest/raw-upgrade.js';

describe('rawUpgradeOf', () => {
  const server = createServer();
  let client: Socket;

  async function upgradeRequest(): Promise<IncomingMessage> {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.write('GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    const [request] = (await once(server, 'upgrade')) as [IncomingMessage];
    return request;
  }
  afterEach(async () => {
    client.destroy();
    server.close();
    await once(server, 'close');
  });

  it('reads the address of the peer, and leaves it for whoever reads it next', async () => {
    const request = await upgradeRequest();
    expect(rawUpgradeOf(request, true)).toMatchObject({
      method: 'GET',
      url: '/ws',
      remoteAddress: '127.0.0.1',
      boundToLoopback: true,
      encrypted: false,
      certificate: undefined,
    });
    const { remoteAddress, remotePort } = request.socket;
    expect([remoteAddress, remotePort]).toEqual(['127.0.0.1', client.localPort]);
    request.socket.destroy();
  });

  it('has no address of a peer that is gone', async () => {
    const request = await upgradeRequest();
    request.socket.destroy();
    expect(rawUpgradeOf(request, true).remoteAddress).toBeUndefined();
  });
});
