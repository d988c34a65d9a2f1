/** `make certs`: a throw-away authority, a certificate and a token, made by the same code that issues real ones. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAuthority } from '../src/authority/authority.ts';
import { systemClock as clock } from '../src/runtime/clock.ts';
import { newLeafKey } from '../src/runtime/leaf-key.ts';
import { systemRandom as random } from '../src/runtime/random.ts';
import { formatBundle } from '../src/spiffe/bundle.ts';
import { checkEntry, type Entry } from '../src/spiffe/entry.ts';
import { TrustDomain } from '../src/spiffe/id.ts';
import { splitCertificates } from '../src/x509/certificate.ts';
import { decodePem, encodePem } from '../src/x509/pem.ts';

const day = 86_400;
const trustDomain = TrustDomain.parse('test.example');
const scratch = mkdtempSync(join(tmpdir(), 'mayfly-certs-'));

const write = (name: string, text: string, mode = 0o644): void => {
  rmSync(join(import.meta.dirname, name), { force: true });
  writeFileSync(join(import.meta.dirname, name), text, { mode });
  process.stdout.write(`certs/${name}\n`);
};
const pem = (certificates: readonly Buffer[]): string =>
  certificates.map((der) => encodePem('CERTIFICATE', der)).join('');

function anEntry(): Entry {
  const fields = checkEntry(
    {
      spiffeId: 'spiffe://test.example/web',
      selectors: ['unix:uid:0'],
      owner: 'nobody',
      dnsNames: ['localhost'],
      audiences: ['test'],
    },
    trustDomain,
  );
  return { ...fields, id: random.uuid(), revision: 1, createdAt: clock.now() };
}

function authorityKey(): string {
  const keys = join(scratch, 'keys');
  const name = readdirSync(keys).find((file) => file.startsWith('x509-')) ?? '';
  return decodePem('PRIVATE KEY', readFileSync(join(keys, name), 'latin1'))
    .map((der) => encodePem('PRIVATE KEY', der))
    .join('');
}

try {
  const authority = await openAuthority({
    directory: scratch,
    trustDomain,
    clock,
    random,
    caTtlSeconds: 365 * day,
    x509KeyType: 'ec-p256',
    jwtKeyType: 'ec-p256',
    x509SvidTtlSeconds: 30 * day,
    jwtSvidTtlSeconds: 30 * day,
    record: async () => undefined,
  });
  const entry = anEntry();
  const key = newLeafKey();
  const { chain } = await authority.issueX509Svid(entry, key.publicKey);
  const { token } = await authority.issueJwtSvid(entry, ['test']);
  const bundle = authority.bundle.value;
  await authority.close();
  write('ca.pem', pem(bundle.x509Authorities));
  write('ca-key.pem', authorityKey(), 0o600);
  write('svid.pem', pem(splitCertificates(chain)));
  write('key.pem', encodePem('PRIVATE KEY', key.privateKey), 0o600);
  write('token.jwt', token, 0o600);
  write('bundle.json', formatBundle(bundle));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
