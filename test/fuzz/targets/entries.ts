/** Registration entries as they arrive: on the wire, as a JSON object, and in a file. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDraft } from '../../../src/cli/entry-draft.ts';
import { readEntryFile } from '../../../src/cli/entry-file.ts';
import { Entry } from '../../../src/gen/mayfly/admin/v1/admin.ts';
import { entryFromWire } from '../../../src/server/wire.ts';
import { checkEntry, type EntryFields, entryWarnings } from '../../../src/spiffe/entry.ts';
import { SpiffeId, TrustDomain } from '../../../src/spiffe/id.ts';
import { promise, type Target, texts } from '../engine/target.ts';
import { ids } from './ids.ts';

const trustDomain = TrustDomain.parse('example.org');
const now = Date.now();

export const wireEntry: Entry = {
  ...{ id: 'x', spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:1000', 'unix:path:/usr/bin/web'] },
  ...{
    owner: 'ada',
    description: 'web',
    x509SvidTtl: 3600,
    jwtSvidTtl: 300,
    dnsNames: ['web.example.org'],
    subject: '',
    hint: 'h',
  },
  ...{ federatesWith: ['other.example'], audiences: ['reports', 'bench-*'], expiresAt: new Date(now + 1e6) },
  ...{ revision: 1, createdAt: new Date(now) },
};

export const entryWire: Target = {
  seeds: [Buffer.from(Entry.encode(wireEntry).finish()), ...texts(...ids, 'unix:uid:1', '*')],
  shape: 'protobuf',
  run: (input) => {
    const draft = decoded(input);
    if (draft !== undefined) checkPromises(checkEntry(draft, trustDomain));
  },
};

const fileEntry = {
  ...{ spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:1000'], owner: 'ada', x509_svid_ttl: '1h' },
  ...{ jwtSvidTtl: 300, audiences: ['a'], dnsNames: ['b'], expiresAt: '2030-01-01T00:00:00Z', federatesWith: ['c'] },
  ...{ hint: '', description: 'what it is for', id: 'x', revision: 1, createdAt: '2026-01-01T00:00:00Z' },
};
const oddTokens = ['"__proto__"', 'null', '1e400', '"selectors":', '-5', '"99999999999d"', '"2030-02-30T00:00:00Z"'];

export const entryDraft: Target = {
  seeds: texts(JSON.stringify(fileEntry), '{"expiresAt":null}', '[]', ...oddTokens),
  shape: 'json',
  run: (input) => {
    const value = json(input);
    if (value !== undefined) checkPromises(checkEntry(entryFromWire(parseDraft(value, now)), trustDomain));
  },
};

const path = join(mkdtempSync(join(tmpdir(), 'entries-')), 'entries');
const forms = ['.ndjson', '.yaml', ''];

/** The first byte says what the file is called. */
export const entryFile: Target = {
  seeds: [
    `0${JSON.stringify(fileEntry)}\n\n${JSON.stringify(fileEntry)}\n`,
    `1- spiffeId: spiffe://example.org/web\n  selectors: [unix:uid:1]\n  owner: ada\n`,
    `1entries:\n- &a\n  spiffeId: spiffe://example.org/a\n  selectors: &s [unix:uid:1]\n  owner: ada\n- <<: *a\n  hint: *s\n`,
    `1spiffeId: spiffe://example.org/web\nselectors: ["unix:uid:1"]\nowner: ada\n---\nspiffeId: x\n`,
    `2{"entries": [${JSON.stringify(fileEntry)}]}`,
    ...oddTokens,
    ...[
      '&a [*a, *a]',
      '? [a]',
      '!!binary x',
      '!!set {a, b}',
      '%YAML 1.1\n---\n',
      '...\n',
      '|\n  a',
      '\t',
      '<<: *a',
      '*a',
      `1<<: *\n${'*\n'.repeat(2_000)}`,
    ],
  ].map((text) => Buffer.from(text)),
  run: async (input) => {
    const name = path + (forms[(input[0] ?? 0) % forms.length] ?? '');
    writeFileSync(name, input.subarray(1));
    const { entries, lineOf } = await readEntryFile(name);
    const lines = input
      .subarray(1)
      .toString('utf8')
      .split(/\r\n|\n|\r/).length;
    for (const index of entries.keys()) promise(lineOf(index) >= 1 && lineOf(index) <= lines, 'a line that is there');
  },
};

function checkPromises(fields: EntryFields): void {
  promise(SpiffeId.trustDomain(fields.spiffeId) === trustDomain, 'an entry lies in its trust domain');
  promise(SpiffeId.path(fields.spiffeId) !== '', 'an entry is not the trust domain');
  promise(fields.selectors.length > 0 && fields.owner !== '', 'an entry has selectors and an owner');
  promise(fields.expiresAt === undefined || fields.expiresAt > 0, 'an entry ends at a moment');
  entryWarnings(fields);
}

/** Bytes that are no message are refused before anybody looks at them. */
function decoded(input: Buffer): ReturnType<typeof entryFromWire> | undefined {
  try {
    return entryFromWire(Entry.decode(input));
  } catch {
    return undefined;
  }
}

function json(input: Buffer): unknown {
  try {
    return JSON.parse(input.toString('utf8'));
  } catch {
    return undefined;
  }
}
