import { type DynamicModule, Module } from '@nestjs/common';
import { WsAuthModule } from 'nestjs-ws-auth';
import { ChatGateway } from './chat.gateway.js';
import { PageController } from './page.controller.js';
import { SessionController } from './session.controller.js';
import { SETTINGS } from './settings.token.js';
import { type NodeSettings, originsOf } from './settings.js';

@Module({})
export class AppModule {
  static with(settings: NodeSettings): DynamicModule {
    return {
      module: AppModule,
      imports: [
        WsAuthModule.forRoot({
          origins: originsOf(settings),
          credentials: ['ticket'],
          // The two options that make one of two nodes: the same store, and the same secret.
          redis: settings.redisUrl,
          secret: settings.secret,
          redisPrefix: 'two-nodes:',
          controller: true,
        }),
      ],
      controllers: [SessionController, PageController],
      providers: [ChatGateway, { provide: SETTINGS, useValue: settings }],
    };
  }
}
