require('reflect-metadata');
const { tryEachServer } = require('./each-server.cjs');

tryEachServer({
  common: require('@nestjs/common'),
  core: require('@nestjs/core'),
  fastify: require('@nestjs/platform-fastify'),
  websockets: require('@nestjs/websockets'),
  library: require('nestjs-ws-auth'),
  ws: require('ws'),
});
