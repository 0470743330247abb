import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import { type AbstractHttpAdapter, NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type AuditEvent,
  WsAuthEvents,
  WsAuthHttpGuard,
  WsAuthModule,
  WsPrincipal,
  WsSessionService,
} from '../../lib/index.js';
import { baseOptions, MemoryLogger } from '../support/app.js';
import { RawClient } from '../support/raw-client.js';

@UseGuards(WsAuthHttpGuard)
@Controller('orders')
class OrdersController {
  @Get()
  mine(@WsPrincipal('id') id: string): string {
    return id;
  }
}

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

describe.each<[string, () => AbstractHttpAdapter | undefined]>([
  ['Express', () => undefined],
  ['Fastify', () => new FastifyAdapter()],
])('CK-02: two session cookies over HTTP, on %s', (_, framework) => {
  async function start() {
    const logger = new MemoryLogger();
    class AppModule {}
    Module({
      imports: [
        WsAuthModule.forRoot({ ...baseOptions(), proxy: { trusted: ['127.0.0.1'] }, controller: true }),
      ],
      controllers: [OrdersController],
    })(AppModule);
    const http = framework();
    const settings = { logger, abortOnError: false };
    const app = http
      ? await NestFactory.create(AppModule, http, settings)
      : await NestFactory.create(AppModule, settings);
    open.push(app);
    const events: AuditEvent[] = [];
    app.get(WsAuthEvents).subscribe((event) => void events.push(event));
    await app.listen(0, '127.0.0.1');
    const { port } = (app.getHttpServer() as HttpServer).address() as AddressInfo;
    const { token } = await app.get(WsSessionService).create({ userId: 'ada' });
    /** A request over `https`, by the word of a proxy. */
    const get = async (path: string, cookies: readonly string[]): Promise<number> => {
      const client = await RawClient.connect(port);
      const lines = ['Host: app.example', 'X-Forwarded-Proto: https', 'X-Forwarded-For: 203.0.113.9'];
      const all = [...lines, ...cookies.map((cookie) => `Cookie: ${cookie}`), 'Connection: close'];
      client.write(`GET ${path} HTTP/1.1\r\n${all.join('\r\n')}\r\n\r\n`);
      const status = (await client.response()).status;
      client.destroy();
      return status;
    };
    return { events, logger, get, good: `__Host-sid=${token}` };
  }

  const tossed = (path: string) => ({
    event: 'authn_login_fail',
    outcome: 'refused',
    reasonCode: 'cookie_tossing_suspected',
    status: 401,
    method: 'cookie',
    path,
    ip: '203.0.113.9',
    ipSource: 'forwarded',
  });

  it('are refused and told of, at the endpoints and behind the guard, in every order', async () => {
    const { events, get, good } = await start();
    for (const path of ['/ws-auth/sessions', '/orders']) {
      expect(await get(path, [good])).toBe(200);
      const before = events.length;
      for (const cookies of [
        [`__Host-sid=planted; ${good}`],
        [`${good}; __Host-sid=planted`],
        [`${good}; ${good}`],
        [good, '__Host-sid=planted'],
      ])
        expect(await get(`${path}?a=1`, cookies)).toBe(401);
      const told = events.slice(before).filter(({ outcome }) => outcome === 'refused');
      expect(told).toMatchObject(Array(4).fill(tossed(path)));
      expect(JSON.stringify(events)).not.toContain('planted');
    }
    const suspected = events.filter(({ event }) => event === 'anomaly_detected');
    expect(suspected.map(({ reasonCode }) => reasonCode)).toEqual(['cookieTossing']);
  });

  it('make the operator hear once what they most likely come from', async () => {
    const { logger, get, good } = await start();
    for (let times = 0; times < 3; times += 1) await get('/orders', [`${good}; __Host-sid=planted`]);
    expect(logger.lines.filter((line) => line.startsWith('warn two session cookies'))).toEqual([
      'warn two session cookies "__Host-sid" came with one request, which was refused (cookie_tossing_suspected): browsers let no ' +
        'other host set that cookie, so the client has one of a login here and one of POST /ws-auth/cookie, "cookie.partitioned" was ' +
        'changed, or it is no browser WsAuth',
    ]);
    expect(logger.lines.join('\n')).not.toContain('planted');
  });
});
