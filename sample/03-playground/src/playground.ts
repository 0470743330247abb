import { NestFactory } from '@nestjs/core';
import type { Server } from 'node:http';
import type { TlsOptions } from 'node:tls';
import { WsAuthAdapter, WsAuthEvents } from 'nestjs-ws-auth';
import { AppModule } from './app.module.js';
import { makeCertificates, type Certificates } from './certificates.js';
import { ForeignServer } from './foreign-server.js';
import { Front } from './front.js';
import { makeSecrets, pageOrigin, type Ports } from './settings.js';
import { WireLog } from './wire-log.js';

/** All of it, in one process. */
export interface Playground {
  readonly url: string;
  stop(): Promise<void>;
}

/** Opens the ports, then builds the application that knows them, then lets it answer on all of them. */
export async function startPlayground(wanted: Ports): Promise<Playground> {
  const wire = new WireLog();
  const certificates = await makeCertificates();
  const tls = certificates && tlsOptions(certificates);
  const foreign = new ForeignServer();
  const fronts = {
    page: new Front(wire),
    gateway: new Front(wire),
    cookie: new Front(wire),
    basic: new Front(wire),
    ...(tls && { tls: new Front(wire, tls) }),
  };
  const ports: Ports = {
    page: await fronts.page.listen(wanted.page),
    gateway: await fronts.gateway.listen(wanted.gateway),
    cookie: await fronts.cookie.listen(wanted.cookie),
    basic: await fronts.basic.listen(wanted.basic),
    tls: (await fronts.tls?.listen(wanted.tls)) ?? 0,
    foreign: await foreign.listen(wanted.foreign),
  };

  const app = await NestFactory.create(AppModule.with({ ports, certificates, ...makeSecrets() }, wire), {
    forceCloseConnections: true,
    // A gateway for client certificates must be on a server that asks for them.
    httpsOptions: tls,
  });
  app.useWebSocketAdapter(new WsAuthAdapter(app));
  app.get(WsAuthEvents).subscribe((event) => wire.audited(event));
  // Nobody knows this port: all come by the fronts. Node starts the timeouts of a server when it listens.
  await app.listen(0, '127.0.0.1');
  for (const front of Object.values(fronts)) front.serve(app.getHttpServer() as Server);
  foreign.serve(ports);

  return {
    url: pageOrigin(ports),
    stop: async () => {
      await app.close();
      await Promise.all([...Object.values(fronts), foreign].map((server) => server.close()));
    },
  };
}

/** Asks for a certificate and lets everybody in: what it is worth is decided at the handshake. */
function tlsOptions({ server, authority }: Certificates) {
  return { ...server, ca: authority, requestCert: true, rejectUnauthorized: false } satisfies TlsOptions;
}
