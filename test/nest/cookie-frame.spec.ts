import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { makeCookieFrame } from '../../lib/nest/cookie-frame.js';

describe('the page of the hidden iframe', () => {
  const { html, headers } = makeCookieFrame(['https://app.example', 'null', 'capacitor://localhost']);
  const policy = headers['Content-Security-Policy']!;

  it('may be framed by pages of the listed origins that have pages, and loads and runs nothing else', () => {
    expect(policy).toContain('frame-ancestors https://app.example;');
    expect(policy).toMatch(/^default-src 'none'; /);
    const script = /<script>([\s\S]*)<\/script>/.exec(html)![1]!;
    const hash = createHash('sha256').update(script).digest('base64');
    expect(policy).toContain(`script-src 'sha256-${hash}';`);
    expect(html.match(/<script/g)).toHaveLength(1);
  });

  it('may be framed by nobody where no origin has pages', () => {
    expect(makeCookieFrame(['null']).headers['Content-Security-Policy']).toContain("frame-ancestors 'none'");
  });

  it('hears the listed origins alone, and answers to the one that asked', () => {
    expect(html).toContain('const origins = ["https://app.example"];');
    expect(html).toContain('source !== parent || !origins.includes(origin)');
    expect(html).toContain('}, origin);');
  });
});
