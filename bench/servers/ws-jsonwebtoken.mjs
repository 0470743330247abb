// ws and jsonwebtoken by hand, as fast as that gets: a KeyObject made once, verified before the upgrade.
import jsonwebtoken from 'jsonwebtoken';
import { bearerOf, jwtKey, JWT_RULES } from './jwt-rules.mjs';
import { serveAuthenticated } from './ws-before-upgrade.mjs';

const key = jwtKey('object');

serveAuthenticated((request) => {
  try {
    return jsonwebtoken.verify(bearerOf(request), key, JWT_RULES).sub;
  } catch {
    return undefined;
  }
});
