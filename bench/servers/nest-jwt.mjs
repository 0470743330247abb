import { Inject } from '@nestjs/common';
import { JwtModule, JwtService } from '@nestjs/jwt';
import { JWT_RULES, jwtKey } from './jwt-rules.mjs';

/** @nestjs/jwt with the rules of all servers. */
export function jwtModule() {
  return JwtModule.register({ secret: jwtKey(), verifyOptions: JWT_RULES });
}

/** Has the JwtService injected as a property; what a decorator with its compiler does otherwise. */
export function injectJwtService(type) {
  Inject(JwtService)(type.prototype, 'jwtService');
  return type;
}
