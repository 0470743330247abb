import { createHash, timingSafeEqual } from 'node:crypto';
import { type DynamicModule, Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { WsAuthModule } from 'nestjs-ws-auth';
import * as gateways from './gateways.js';
import { LabController } from './lab.controller.js';
import { LoginController } from './login.controller.js';
import { MachineClient } from './machine-client.js';
import { PageController } from './page.controller.js';
import { SETTINGS } from './settings.token.js';
import { AUDIENCE, ISSUER, MACHINE, pageOrigin, type Settings } from './settings.js';
import { WireLog } from './wire-log.js';

const CERTIFICATE = 'client-certificate' as const;

@Module({})
export class AppModule {
  static with(settings: Settings, wire: WireLog): DynamicModule {
    const { ports, jwtSecret, machinePassword, certificates } = settings;
    return {
      module: AppModule,
      imports: [
        WsAuthModule.forRoot({
          origins: [pageOrigin(ports)],
          credentials: [
            'ticket',
            'bearer',
            'cookie',
            'basic',
            'first-message',
            ...(certificates ? [CERTIFICATE] : []),
          ],
          jwt: {
            secret: jwtSecret,
            algorithms: ['HS256'],
            issuer: ISSUER,
            audience: AUDIENCE,
            // One clock here: a token that lives for three seconds can be seen to end.
            clockToleranceSeconds: 0,
          },
          basic: {
            verify: (name, password) =>
              name === MACHINE && isEqual(password, machinePassword)
                ? { id: name, roles: ['machine'] }
                : null,
            tokenUser: 'token',
          },
          clientCertificate: certificates && {
            principal: ({ subject }) =>
              subject.CN === MACHINE ? { id: subject.CN, roles: ['machine'] } : null,
          },
          controller: true,
        }),
        JwtModule.register({ secret: jwtSecret, signOptions: { algorithm: 'HS256' } }),
      ],
      controllers: [LoginController, LabController, PageController],
      providers: [
        ...Object.values(gateways).filter(
          (gateway) => certificates || gateway !== gateways.CertificateGateway,
        ),
        MachineClient,
        { provide: WireLog, useValue: wire },
        { provide: SETTINGS, useValue: settings },
      ],
    };
  }
}

/** A random password needs no slow hash; hashing makes the lengths equal. */
function isEqual(given: string, expected: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(expected));
}
