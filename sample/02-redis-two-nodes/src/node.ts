import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { WsAuthAdapter } from 'nestjs-ws-auth';
import { AppModule } from './app.module.js';
import { readNodeSettings } from './settings.js';

const settings = readNodeSettings(process.env);
const app = await NestFactory.create(AppModule.with(settings));
app.useWebSocketAdapter(new WsAuthAdapter(app));
app.enableShutdownHooks();
await app.listen(settings.ports[settings.name]);
// Tells main.ts that it listens, and ends with it, however that ended.
process.send?.('listening');
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
