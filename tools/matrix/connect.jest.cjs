require('reflect-metadata');
const { connectWithEachCredential } = require('./authenticated-connection.cjs');

test('an application in CommonJS admits each credential', async () => {
  const proved = await connectWithEachCredential({
    common: require('@nestjs/common'),
    core: require('@nestjs/core'),
    websockets: require('@nestjs/websockets'),
    library: require('nestjs-ws-auth'),
    ws: require('ws'),
  });
  expect(proved).toEqual(['bearer', 'ticket', 'first-message', 'a ticket only once']);
});
