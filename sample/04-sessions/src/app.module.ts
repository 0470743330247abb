import { type DynamicModule, Module } from '@nestjs/common';
import { WsAuthModule } from 'nestjs-ws-auth';
import { AdminController } from './admin.controller.js';
import { LoginController } from './login.controller.js';
import { PageController } from './page.controller.js';
import { SessionsController } from './sessions.controller.js';
import { SessionsGateway } from './sessions.gateway.js';
import { SessionsWatch } from './sessions-watch.js';
import { SETTINGS } from './settings.token.js';
import { originsOf, type Settings } from './settings.js';
import { UserDirectory } from './user-directory.js';

@Module({})
export class AppModule {
  static with(settings: Settings): DynamicModule {
    const { secret, redis } = settings;
    return {
      module: AppModule,
      imports: [
        WsAuthModule.forRoot({
          origins: originsOf(settings),
          credentials: ['ticket'],
          secret,
          redis,
          redisPrefix: redis && 'sessions-page:',
          controller: true, // GET /ws-auth/sessions and DELETE /ws-auth/sessions/:ref, among others
        }),
      ],
      controllers: [LoginController, SessionsController, AdminController, PageController],
      providers: [SessionsGateway, SessionsWatch, UserDirectory, { provide: SETTINGS, useValue: settings }],
    };
  }
}
