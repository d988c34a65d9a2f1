import { hash } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { TrustDomain } from '../spiffe/id.ts';
import { diskJournal, Journal, type JournalContent } from './journal.ts';
import { nothingNested } from './nested/trust.ts';

const root = mkdtempSync(join(tmpdir(), 'mayfly-journal-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const fresh = (): string => join(root, `${++count}.json`);
const trustDomain = TrustDomain.parse('example.org');
const open = (path: string) => Journal.open(diskJournal(path), trustDomain);

const nestedContent = {
  below: [{ id: 'e', publicKey: Buffer.from('below'), publishedAt: 1, expiresAt: 9 }],
  above: {
    from: 'the issuer above',
    x509Authorities: [Buffer.from('root')],
    jwtKeys: [{ id: 'f', publicKey: Buffer.from('above') }],
    vouchers: [{ certificate: Buffer.from('root'), tainted: true, signs: false }],
  },
  withdrawn: ['g'],
};
const content: JournalContent = {
  ...nestedContent,
  sequence: 2n ** 53n + 1n,
  planned: [{ id: 'c', kind: 'x509', keyType: 'rsa-2048', place: 'disk' }],
  discarded: [{ id: 'd', kind: 'jwt', place: 'pkcs11:hsm/mayfly-' }],
  authorities: [
    {
      id: 'a',
      kind: 'x509',
      state: 'active',
      keyType: 'ec-p256',
      place: 'disk',
      preparedAt: 1,
      activatedAt: 2,
      retiredAt: undefined,
      taintedAt: undefined,
      notBefore: 0,
      notAfter: 9,
      publicKey: Buffer.from('public'),
      certificate: Buffer.from('certificate'),
      upstream: { chain: [Buffer.from('intermediate')], roots: [Buffer.from('root'), Buffer.from('other root')] },
    },
    {
      id: 'b',
      kind: 'jwt',
      state: 'prepared',
      keyType: 'ec-p384',
      place: 'vault-transit:https://vault:8200/transit/mayfly-',
      preparedAt: 3,
      activatedAt: undefined,
      retiredAt: undefined,
      taintedAt: undefined,
      notBefore: 0,
      notAfter: 9,
      publicKey: Buffer.from('other'),
      certificate: undefined,
      upstream: undefined,
    },
  ],
};

const written = (): string => {
  const path = fresh();
  open(path).write(content);
  return path;
};

const sealedAs = (version: number, content: object): string => {
  const journal = { ...content, version };
  return `${JSON.stringify({ sha256: hash('sha256', JSON.stringify(journal)), journal }, undefined, 2)}\n`;
};

const refusal = (run: () => unknown): { code: string; message: string } => {
  try {
    run();
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error('nothing was refused');
};

describe('Journal', () => {
  it('BF-06 reads back what was written, the sequence beyond 53 bits included', () => {
    const journal = open(written());
    expect(journal.content).toEqual(content);
    expect(journal.isNew).toBe(false);
    expect(journal.reread()).toEqual(content);
  });

  it('begins empty', () => {
    const journal = open(fresh());
    expect(journal.isNew).toBe(true);
    expect(journal.content).toEqual({
      ...{ sequence: 0n, planned: [], discarded: [], authorities: [] },
      ...{ below: [], above: undefined, withdrawn: [] },
    });
  });

  it('keeps what it had when writing fails', () => {
    const path = written();
    let full = false;
    const disk = diskJournal(path);
    const journal = Journal.open(
      {
        ...disk,
        write: (text) => {
          if (full) throw new Error('disk full');
          disk.write(text);
        },
      },
      trustDomain,
    );
    full = true;
    expect(() => journal.write({ sequence: 7n })).toThrow('disk full');
    expect(journal.content).toEqual(content);
    expect(open(path).content).toEqual(content);
  });

  it('R-KEY-1 refuses it when any one bit is another, naming the file and what to do', () => {
    const path = written();
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at++) {
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
      writeFileSync(path, flipped);
      const { code, message } = refusal(() => open(path));
      expect(code, `byte ${at}`).toBe('data-loss');
      expect(message).toContain(path);
      expect(message).toContain('put it back from a backup');
    }
  });

  it('refuses it when it is cut short, empty, or longer', () => {
    const path = written();
    const whole = readFileSync(path);
    for (const bytes of [
      whole.subarray(0, 0),
      whole.subarray(0, 100),
      whole.subarray(0, -1),
      Buffer.concat([whole, whole]),
    ]) {
      writeFileSync(path, bytes);
      expect(refusal(() => open(path)).code).toBe('data-loss');
    }
  });

  it('reads the first format, which knew keys on the disk only, and writes the present one', () => {
    const path = written();
    const { journal } = JSON.parse(readFileSync(path, 'utf8'));
    for (const nested of ['below', 'above', 'withdrawn']) delete journal[nested];
    for (const key of [...journal.planned, ...journal.discarded, ...journal.authorities]) delete key.place;
    writeFileSync(path, sealedAs(1, journal));
    const read = open(path);
    const { planned, discarded, authorities } = read.content;
    const places = [...planned, ...discarded, ...authorities].map(({ place }) => place);
    expect(places).toEqual(['disk', 'disk', 'disk', 'disk']);
    expect(read.reread()).toEqual(read.content);
    read.write({ sequence: 9n });
    expect(JSON.parse(readFileSync(path, 'utf8')).journal.version).toBe(3);
    expect(open(path).content).toEqual({ ...nothingNested, planned, discarded, authorities, sequence: 9n });
  });

  it('refuses a format of a later mayfly, and leaves it as it is', () => {
    const path = written();
    const text = sealedAs(4, JSON.parse(readFileSync(path, 'utf8')).journal);
    writeFileSync(path, text);
    expect(refusal(() => open(path)).message).toContain('has format 4');
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('R-KEY-1 refuses it when others could read it', () => {
    const path = written();
    chmodSync(path, 0o640);
    const { code, message } = refusal(() => open(path));
    expect(code).toBe('failed-precondition');
    expect(message).toContain('chmod 0600');
  });

  it('SE-14 refuses another trust domain: its keys are not shared', () => {
    const path = written();
    const { code, message } = refusal(() => Journal.open(diskJournal(path), TrustDomain.parse('example.com')));
    expect(code).toBe('failed-precondition');
    expect(message).toContain('example.org');
  });
});
