/** A certificate for a server on 127.0.0.1, or of another name, made by openssl. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface LocalTls {
  readonly key: Buffer;
  readonly cert: Buffer;
  /** Where whoever connects finds what to believe. */
  readonly caFile: string;
  readonly directory: string;
}

export function localTls(name = 'IP:127.0.0.1'): LocalTls & Disposable {
  const directory = mkdtempSync(join(tmpdir(), 'mayfly-tls-'));
  const [keyFile, caFile] = [join(directory, 'key.pem'), join(directory, 'ca.pem')];
  const about = ['-subj', '/CN=local', '-addext', `subjectAltName=${name}`, '-days', '2', '-nodes'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', keyFile];
  execFileSync('openssl', ['req', '-x509', ...key, ...about, '-out', caFile], { stdio: 'pipe' });
  return {
    key: readFileSync(keyFile),
    cert: readFileSync(caFile),
    caFile,
    directory,
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}
