// Nest with Socket.IO: a middleware of `io.use` verifies the token of the client, rate-limiter-flexible counts every message.
import 'reflect-metadata';
import { UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsException } from '@nestjs/websockets';
import jsonwebtoken from 'jsonwebtoken';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { makeEchoGateway } from './echo-gateway.mjs';
import { jwtKey, JWT_RULES } from './jwt-rules.mjs';
import { serve } from './serve.mjs';

const UNREACHED = 1_000_000_000;
/** The generator counts bytes and would take a ping for a part of a reply. */
const HOUR_MS = 3_600_000;

const key = jwtKey();
const limiter = new RateLimiterMemory({ points: UNREACHED, duration: 60 });

class AuthenticatedIoAdapter extends IoAdapter {
  createIOServer(port, options) {
    const server = super.createIOServer(port, { ...options, pingInterval: HOUR_MS });
    server.use((socket, next) => {
      try {
        socket.data.user = jsonwebtoken.verify(socket.handshake.auth.token, key, JWT_RULES).sub;
        next();
      } catch {
        next(new Error('unauthorized'));
      }
    });
    return server;
  }
}

class RateLimitGuard {
  async canActivate(context) {
    const { handshake } = context.switchToWs().getClient();
    try {
      await limiter.consume(handshake.address);
      return true;
    } catch {
      throw new WsException('Too Many Requests');
    }
  }
}

class SocketIoModule {}
const Gateway = makeEchoGateway(UseGuards(RateLimitGuard));
const app = await NestFactory.create({ module: SocketIoModule, providers: [Gateway, RateLimitGuard] });
app.useWebSocketAdapter(new AuthenticatedIoAdapter(app));
await app.listen(0, '127.0.0.1');
serve(app.getHttpServer().address().port);
