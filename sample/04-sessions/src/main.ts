import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { WsAuthAdapter } from 'nestjs-ws-auth';
import { AppModule } from './app.module.js';
import { readSettings } from './settings.js';

const settings = readSettings(process.env);
const app = await NestFactory.create(AppModule.with(settings));
app.useWebSocketAdapter(new WsAuthAdapter(app));
app.enableShutdownHooks();
await app.listen(settings.port);
console.log(`Sessions: http://localhost:${settings.port}`);
