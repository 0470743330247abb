import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { MACHINE } from './settings.js';

/** A key and the certificate for it, as PEM. */
export interface KeyPair {
  readonly key: Buffer;
  readonly cert: Buffer;
}

/** An authority of this run, and whom it has signed. */
export interface Certificates {
  readonly authority: Buffer;
  readonly server: KeyPair;
  readonly machine: KeyPair;
  /** The same name, signed by nobody that the server trusts. */
  readonly impostor: KeyPair;
}

const run = promisify(execFile);
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** Makes them in a folder of its own, which is gone afterwards. @returns `undefined` where there is no `openssl` */
export async function makeCertificates(): Promise<Certificates | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'playground-tls-'));
  try {
    return await makeIn(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function makeIn(folder: string): Promise<Certificates> {
  const openssl = (...args: string[]): Promise<unknown> => run('openssl', args, { cwd: folder });
  const selfSigned = (file: string, name: string): Promise<unknown> =>
    openssl('req', '-x509', ...NEW_KEY, '-keyout', `${file}.key`, '-out', `${file}.pem`, '-subj', `/CN=${name}`, '-days', '2'); // prettier-ignore
  await selfSigned('authority', 'playground authority');
  await selfSigned('impostor', MACHINE);
  await writeFile(join(folder, 'server.ext'), 'subjectAltName=IP:127.0.0.1\n');
  await writeFile(join(folder, 'machine.ext'), 'extendedKeyUsage=clientAuth\n');
  for (const [file, name] of [
    ['server', 'playground'],
    ['machine', MACHINE],
  ] as const) {
    // prettier-ignore
    await openssl('req', ...NEW_KEY, '-keyout', `${file}.key`, '-out', `${file}.csr`, '-subj', `/CN=${name}`);
    await openssl('x509', '-req', '-in', `${file}.csr`, '-CA', 'authority.pem', '-CAkey', 'authority.key', '-CAcreateserial', '-extfile', `${file}.ext`, '-out', `${file}.pem`, '-days', '2'); // prettier-ignore
  }
  const read = (name: string): Promise<Buffer> => readFile(join(folder, name));
  const pair = async (name: string): Promise<KeyPair> => ({
    key: await read(`${name}.key`),
    cert: await read(`${name}.pem`),
  });
  return {
    authority: await read('authority.pem'),
    server: await pair('server'),
    machine: await pair('machine'),
    impostor: await pair('impostor'),
  };
}
