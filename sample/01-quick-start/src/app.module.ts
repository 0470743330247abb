import { type DynamicModule, Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { WsAuthModule } from 'nestjs-ws-auth';
import { ChatGateway } from './chat.gateway.js';
import { LoginController } from './login.controller.js';
import { PageController } from './page.controller.js';
import { SETTINGS } from './settings.token.js';
import { AUDIENCE, ISSUER, type Settings } from './settings.js';

@Module({})
export class AppModule {
  static with(settings: Settings): DynamicModule {
    const { origins, jwtSecret, secret, redis } = settings;
    return {
      module: AppModule,
      imports: [
        WsAuthModule.forRoot({
          origins,
          credentials: ['ticket', 'bearer', 'cookie', 'first-message'],
          jwt: { secret: jwtSecret, algorithms: ['HS256'], issuer: ISSUER, audience: AUDIENCE },
          secret,
          redis,
          controller: true,
        }),
        JwtModule.register({ secret: jwtSecret, signOptions: { algorithm: 'HS256' } }),
      ],
      controllers: [LoginController, PageController],
      providers: [ChatGateway, { provide: SETTINGS, useValue: settings }],
    };
  }
}
