import { echo } from './measures/echo.mjs';
import { growth } from './measures/growth.mjs';
import { handshake } from './measures/handshake.mjs';
import { idle } from './measures/idle.mjs';
import { memory } from './measures/memory.mjs';
import { nodes } from './measures/nodes.mjs';
import { options } from './measures/options.mjs';
import { redisCost } from './measures/redis-cost.mjs';
import { revocation } from './measures/revocation.mjs';

/** What can be measured, in the order of the report. */
export const MEASURES = [echo, handshake, memory, idle, options, revocation, nodes, growth, redisCost];
