import { describe, expect, it } from 'vitest';
import { safeUrl } from '../../lib/client/safe-url.js';

describe('safeUrl', () => {
  it('takes wss: everywhere, and ws: on loopback', () => {
    for (const url of [
      'wss://api.example/chat?room=1',
      'ws://localhost:3000/',
      'ws://app.localhost/',
      'ws://127.0.0.1:1/',
      'ws://[::1]:1/',
    ])
      expect(safeUrl({ url }).href).toBe(url);
  });

  it('takes an address relative to the page, and http(s) for ws(s)', () => {
    expect(safeUrl({ url: '/chat' }, 'https://app.example/page#top').href).toBe('wss://app.example/chat');
    expect(safeUrl({ url: 'https://api.example/#x' }).href).toBe('wss://api.example/');
  });

  it('refuses ws: to other hosts, unless told to allow it', () => {
    for (const url of [
      'ws://api.example/',
      'ws://localhost.example/',
      'ws://127.example/',
      'ws://10.0.0.1/',
      'ftp://localhost/',
    ])
      expect(() => safeUrl({ url })).toThrow(TypeError);
    expect(safeUrl({ url: 'ws://10.0.0.1/', dangerouslyAllowInsecureTransport: true }).protocol).toBe('ws:');
  });

  it('refuses a credential in the address, and does not repeat it', () => {
    for (const url of [
      'wss://token:s3cret@api.example/',
      'wss://s3cret@api.example/',
      'wss://api.example/?ticket=s3cret',
      'wss://api.example/?a=1&TOKEN=s3cret',
      'wss://api.example/?access_token[]=s3cret',
    ]) {
      expect(() => safeUrl({ url })).toThrow('url: credential');
      expect(() => safeUrl({ url })).not.toThrow(/s3cret/);
    }
  });
});
