import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** An authority, a server and a machine that it has signed for, and a stranger who has signed for himself. */
export function makeCertificates(folder) {
  mkdirSync(folder, { recursive: true });
  const openssl = (...args) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  const nameOf = (name) => ['-keyout', `${name}.key`, '-subj', `/CN=${name}`];
  for (const name of ['ca', 'mallory'])
    openssl('req', '-x509', ...EC, ...nameOf(name), '-out', `${name}.pem`, '-days', '2');
  const names = ['-addext', 'subjectAltName=IP:127.0.0.1'];
  for (const name of ['server', 'ada']) {
    openssl('req', ...EC, ...nameOf(name), ...names, '-out', `${name}.csr`);
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-copy_extensions', 'copy'];
    openssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-out', `${name}.pem`, '-days', '2');
  }
}
