import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runCli } from './cli-run.js';

const FIXTURES = 'test/cli/fixtures';
const CANARIES = ['canary-secret', 'canary-password'];

/** `UPDATE_GOLDEN=1 npx vitest run test/cli/doctor.spec.ts` writes them anew; look at the difference before it is committed. */
function golden(name: string, actual: string): string {
  const file = new URL(`./golden/${name}.golden`, import.meta.url);
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, actual);
  return readFileSync(file, 'utf8');
}

function doctor(module: string, ...flags: string[]) {
  return runCli(['doctor', `${FIXTURES}/${module}`, ...flags]);
}

describe('nestjs-ws-auth doctor', () => {
  it.each([
    ['doctor-bad.txt', 'bad-app.ts', ['--production']],
    ['doctor-bad.json', 'bad-app.ts#BadModule', ['--production', '--json']],
    ['doctor-bad-development.txt', 'bad-app.ts', []],
  ])('tells what is wrong with a bad application, as in %s', async (name, module, flags) => {
    const { code, out, err } = await doctor(module, ...flags);
    expect(out).toBe(golden(name, out));
    expect({ code, err }).toEqual({ code: 1, err: '' });
    for (const canary of CANARIES) expect(out).not.toContain(canary);
  });

  it.each([
    ['doctor-good.txt', []],
    ['doctor-good.json', ['--json']],
  ])('has nothing to say about a good one, as in %s, and runs no lifecycle hook', async (name, flags) => {
    const { code, out, err } = await doctor('good-app.ts', '--production', '--strict', ...flags);
    expect(out).toBe(golden(name, out));
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  it('takes a module that a function has made, as docs/cli.md says', async () => {
    const { code, out } = await doctor('made-app.ts');
    expect(code).toBe(0);
    expect(out).toContain('0 errors, 0 warnings');
  });

  it('takes warnings for failures only when it is strict', async () => {
    const [lax, strict] = [await doctor('warned-app.ts'), await doctor('warned-app.ts', '--strict')];
    expect(lax).toMatchObject({ code: 0, out: expect.stringContaining('0 errors, 1 warning') });
    expect(strict).toMatchObject({ code: 1, out: lax.out });
  });

  it('tells for what the boot would be refused', async () => {
    const { code, out } = await doctor('refused-app.ts#RefusedModule', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      counts: { error: 1 },
      findings: [
        {
          id: 'boot-refused',
          severity: 'error',
          found: expect.stringMatching(/^option "origins" is missing/),
        },
      ],
    });
  });

  it.each<[string, readonly string[], RegExp]>([
    [
      'there is no file',
      [`${FIXTURES}/nowhere.js`],
      /there is no file .*nowhere\.js; is the application compiled\?/,
    ],
    [
      'the export is no module',
      [`${FIXTURES}/refused-app.ts#Nothing`],
      /exports no Nest module of the name "Nothing"/,
    ],
    [
      'there is more than one module',
      [`${FIXTURES}/refused-app.ts`],
      /exports no single Nest module: name one/,
    ],
    [
      'the library is not in it',
      [`${FIXTURES}/refused-app.ts#EmptyModule`],
      /does not import WsAuthModule\.forRoot/,
    ],
    [
      'it cannot be built',
      [`${FIXTURES}/refused-app.ts#BrokenModule`],
      /cannot be built: the database is away\n$/,
    ],
    ['a flag is not known', ['app.js', '--fix'], /Unknown option '--fix'[^]*usage: /],
    ['nothing is named', [], /an argument is missing[^]*usage: /],
    ['too much is named', ['a.js', 'b.js'], /an argument too many[^]*usage: /],
  ])('says so when %s, and ends with 2', async (_, args, text) => {
    const { code, out, err } = await runCli(['doctor', ...args]);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(text);
  });
});

describe('nestjs-ws-auth', () => {
  it('prints its usage', async () => {
    const asked = await runCli(['--help']);
    expect(asked).toMatchObject({ code: 0, out: expect.stringMatching(/^usage: nestjs-ws-auth/), err: '' });
    expect(await runCli([])).toMatchObject({ code: 2, out: asked.out });
    expect(await runCli(['doctor', '-h'])).toMatchObject({ code: 0, out: asked.out });
  });

  it.each(['--help', '-h'])('does not take a user of the id "%s" for a question', async (id) => {
    const { code, out, err } = await runCli(['revoke', '--user', id]);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/'--user' argument is ambiguous/);
  });

  it('refuses a command that there is not, without repeating it', async () => {
    const { code, err } = await runCli(['sesions']);
    expect(code).toBe(2);
    expect(err).toMatch(/no command of this name; known are doctor, sessions, revoke, bans/);
    expect(err).not.toContain('sesions\n');
  });
});
