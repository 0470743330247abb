require('reflect-metadata');
const { connectWithEachCredential } = require('./authenticated-connection.cjs');

connectWithEachCredential({
  common: require('@nestjs/common'),
  core: require('@nestjs/core'),
  websockets: require('@nestjs/websockets'),
  library: require('nestjs-ws-auth'),
  ws: require('ws'),
}).then((proved) => console.log(proved.join(', ')));
