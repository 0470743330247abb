import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { Inject, Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { type ClientOptions, WebSocket } from 'ws';
import { SETTINGS } from './settings.token.js';
import { AUDIENCE, ISSUER, MACHINE, type Settings } from './settings.js';

export const MACHINE_WAYS = ['bearer', 'basic', 'certificate'] as const;
export type MachineWay = (typeof MACHINE_WAYS)[number];

/** What a machine did, and what came of it; without its credential. */
export interface MachineRun {
  readonly sent: string;
  readonly opened: boolean;
  readonly status: number;
  /** The `code` of the problem document, of a refusal. */
  readonly problem?: string;
  readonly challenges?: readonly string[];
  readonly frames: readonly string[];
}

interface Approach {
  readonly url: string;
  readonly shown: string;
  readonly options: ClientOptions;
}

/** A program on a server: no browser stands between it and its headers, and it sends no Origin. */
@Injectable()
export class MachineClient {
  readonly #settings: Settings;
  readonly #jwt: JwtService;

  constructor(@Inject(SETTINGS) settings: Settings, jwt: JwtService) {
    this.#settings = settings;
    this.#jwt = jwt;
  }

  /** @param isSpoilt with a credential that must not do */
  async connect(way: MachineWay, isSpoilt: boolean, attempt: string): Promise<MachineRun> {
    const { url, shown, options } = this.#approach(way, isSpoilt);
    const socket = new WebSocket(`${url}?try=${attempt}`, { handshakeTimeout: 5_000, ...options });
    const refused = once(socket, 'unexpected-response') as Promise<[unknown, IncomingMessage]>;
    const sent = `connect ${url}, ${shown}`;
    const first = await Promise.race([once(socket, 'open').then(() => undefined), refused]);
    if (first) return { sent, opened: false, frames: [], ...(await readRefusal(first[1])) };
    socket.send('{"event":"hello"}');
    const [frame] = (await once(socket, 'message')) as [Buffer];
    socket.close(1000);
    return { sent, opened: true, status: 101, frames: [frame.toString()] };
  }

  #approach(way: MachineWay, isSpoilt: boolean): Approach {
    if (way === 'bearer') return this.#bearer(isSpoilt);
    if (way === 'basic') return this.#basic(isSpoilt);
    return this.#certificate(isSpoilt);
  }

  #bearer(isSpoilt: boolean): Approach {
    const token = this.#jwt.sign(
      { roles: ['machine'] },
      {
        subject: MACHINE,
        issuer: ISSUER,
        audience: isSpoilt ? 'another-service' : AUDIENCE,
        jwtid: randomUUID(),
        expiresIn: '5m',
      },
    );
    return {
      url: `ws://127.0.0.1:${this.#settings.ports.gateway}/token`,
      shown: `Authorization: Bearer •••${isSpoilt ? ', issued for another service' : ''}`,
      options: { headers: { authorization: `Bearer ${token}` } },
    };
  }

  #basic(isSpoilt: boolean): Approach {
    const { ports, machinePassword } = this.#settings;
    // Another name: ten wrong guesses would lock the machine's own out for this address.
    const [name, password] = isSpoilt ? ['machine-8', 'a guess'] : [MACHINE, machinePassword];
    const value = Buffer.from(`${name}:${password}`).toString('base64');
    return {
      url: `ws://127.0.0.1:${ports.basic}/basic`,
      shown: `Authorization: Basic •••${isSpoilt ? ', a guess' : ''}`,
      options: { headers: { authorization: `Basic ${value}` } },
    };
  }

  #certificate(isSpoilt: boolean): Approach {
    const { ports, certificates } = this.#settings;
    const { key, cert } = isSpoilt ? certificates!.impostor : certificates!.machine;
    return {
      url: `wss://127.0.0.1:${ports.tls}/certificate`,
      shown: `TLS client certificate CN=${MACHINE}${isSpoilt ? ', signed by itself' : ''}`,
      options: { ca: certificates!.authority, key, cert },
    };
  }
}

async function readRefusal(
  response: IncomingMessage,
): Promise<Pick<MachineRun, 'status' | 'problem' | 'challenges'>> {
  const { code } = (await json(response)) as { code: string };
  const lines = response.rawHeaders;
  const challenges = lines.filter(
    (_, index) => index % 2 === 1 && /^www-authenticate$/i.test(lines[index - 1]!),
  );
  return { status: response.statusCode!, problem: code, challenges };
}
