import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  entry,
  type Held,
  issueBoth,
  machine,
  optionsOf,
  publicKey,
  refusal,
  trustDomain,
  verifyBoth,
} from '../../test/fakes/authority.ts';
import { FakeClock } from '../../test/fakes/clock.ts';
import { systemClock } from '../runtime/clock.ts';
import { formatBundle, parseBundle } from '../spiffe/bundle.ts';
import { encodePem } from '../x509/pem.ts';
import { type AuthorityOptions, openAuthority } from './authority.ts';

const root = mkdtempSync(join(tmpdir(), 'mayfly-authority-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => join(root, `${++count}`);

describe('on a real disk', () => {
  const onDisk = (directory: string, options: Partial<AuthorityOptions> = {}): AuthorityOptions => {
    const { keyStore: _, journalFile: __, ...rest } = optionsOf(machine(new FakeClock()));
    return { ...rest, directory, clock: systemClock, caTtlSeconds: 3600, ...options };
  };
  const keyFile = (directory: string, kind: string): string => {
    const name = readdirSync(join(directory, 'keys')).find((file) => file.startsWith(kind)) ?? '';
    return join(directory, 'keys', name);
  };
  const started = async (): Promise<{ directory: string; held: Held; id: string | undefined }> => {
    const directory = fresh();
    const authority = await openAuthority(onDisk(directory));
    const held = await issueBoth(authority);
    await authority.close();
    return { directory, held, id: authority.active.value.x509?.id };
  };

  it('R-KEY-1 refuses to start over a damaged or swapped key, and names the file', async () => {
    for (const kind of ['x509', 'jwt']) {
      const { directory } = await started();
      const path = keyFile(directory, kind);
      const whole = readFileSync(path);
      const flipped = Buffer.from(whole);
      flipped[200] = (flipped[200] ?? 0) ^ 1;
      const other = readFileSync(keyFile(directory, kind === 'jwt' ? 'x509' : 'jwt'));
      for (const bytes of [flipped, other, whole.subarray(0, 100)]) {
        writeFileSync(path, bytes);
        const { code, message } = await refusal(openAuthority(onDisk(directory)));
        expect(code).toBe('data-loss');
        expect(message).toContain(path);
      }
      writeFileSync(path, whole);
      await (await openAuthority(onDisk(directory))).close();
    }
  });

  it('goes on without a key that was moved away: another takes its place, and what it signed stays valid', async () => {
    const { directory, held, id } = await started();
    renameSync(keyFile(directory, 'x509'), join(directory, 'away.pem'));
    const reasons: (string | undefined)[] = [];
    const record: AuthorityOptions['record'] = async (event) =>
      void reasons.push('reason' in event ? event.reason : undefined);
    const authority = await openAuthority(onDisk(directory, { record }));
    expect(reasons[0]).toBe('key-missing');
    expect(authority.active.value.x509?.id).not.toBe(id);
    verifyBoth(held, authority.bundle.value, Date.now());
    await authority.close();
  });

  it('refuses a damaged journal, and a missing one while its keys are there', async () => {
    const { directory } = await started();
    const path = join(directory, 'authorities.json');
    const whole = readFileSync(path);
    writeFileSync(path, whole.subarray(0, 500));
    expect((await refusal(openAuthority(onDisk(directory)))).code).toBe('data-loss');
    rmSync(path);
    const { code, message } = await refusal(openAuthority(onDisk(directory)));
    expect(code).toBe('data-loss');
    expect(message).toContain(path);
    expect(existsSync(path)).toBe(false);
  });

  it('openssl accepts what it issues, by the bundle as it is published', async () => {
    const directory = fresh();
    const authority = await openAuthority(onDisk(directory));
    const { chain } = await authority.issueX509Svid(entry, publicKey);
    const bundle = parseBundle(trustDomain, formatBundle(authority.bundle.value));
    const [ca, leaf] = [join(directory, 'ca.pem'), join(directory, 'leaf.pem')];
    writeFileSync(ca, bundle.x509Authorities.map((der) => encodePem('CERTIFICATE', der)).join(''));
    writeFileSync(leaf, encodePem('CERTIFICATE', chain));
    expect(execFileSync('openssl', ['verify', '-x509_strict', '-CAfile', ca, leaf]).toString()).toContain('OK');
    await authority.close();
  });
});
