import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readEntryFile } from './entry-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'entries-'));
afterAll(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const web = '{"spiffeId":"spiffe://example.org/web","selectors":["unix:uid:1000"],"owner":"ada"}';
const job = '{"spiffe_id":"spiffe://example.org/job","selectors":["unix:uid:1001"],"owner":"ada","x509SvidTtl":"1h"}';

describe('readEntryFile', () => {
  it.each([
    ['NDJSON', 'a.ndjson', `${web}\n\n${job}\n`, [1, 3]],
    ['NDJSON by content', 'b.txt', `${web}\n${job}`, [1, 2]],
    ['a JSON list', 'c.json', `[\n${web},\n${job}]`, [2, 3]],
    ['what entry list --json prints', 'd.json', `{"entries": [\n${web},\n${job}]}`, [2, 3]],
    ['a YAML list', 'e.yaml', `# two\n- ${web}\n- ${job}\n`, [2, 3]],
    ['YAML documents', 'f.yml', `---\n${web}\n---\n${job}\n`, [2, 4]],
  ])('reads %s and knows the lines', async (_, name, text, lines) => {
    const { entries, lineOf } = await readEntryFile(file(name, text));
    expect(entries.map(({ spiffeId, x509SvidTtl }) => [spiffeId, x509SvidTtl])).toEqual([
      ['spiffe://example.org/web', 0],
      ['spiffe://example.org/job', 3600],
    ]);
    expect([lineOf(0), lineOf(1)]).toEqual(lines);
  });

  it('refuses a file that is all brackets, which the YAML library would follow to the end of the stack', async () => {
    for (const deep of [
      '{"entries":'.repeat(4_000),
      '2{"entries":{'.repeat(4_000),
      '['.repeat(50_000),
      '- '.repeat(50_000),
    ]) {
      await expect(readEntryFile(file('deep.yaml', deep)), deep.slice(0, 20)).rejects.toMatchObject({
        code: 'invalid-argument',
        message: expect.stringContaining('deep.yaml:1: '),
      });
    }
  });

  it('takes entries as the issuer printed them, without what the issuer gives', async () => {
    const printed = web.replace('{', '{"id":"e1","revision":4,"createdAt":"2026-11-23T12:00:00Z","expiresAt":null,');
    const { entries } = await readEntryFile(file('printed.ndjson', printed));
    expect(entries[0]).toMatchObject({ id: '', revision: 0, createdAt: undefined, expiresAt: undefined });
  });

  it.each([
    ['a comma too many', `${web.replace('}', ',}')}`, /bad\.ndjson:2: not JSON/],
    ['a list', '[1]', /bad\.ndjson:2: must be an entry/],
    ['an unknown field', web.replace('owner', 'parentId'), /bad\.ndjson:2: unknown field 'parentId'; the fields are/],
    ['a field of every object', web.replace('"owner"', '"toString"'), /bad\.ndjson:2: unknown field 'toString'/],
    ['no owner', web.replace(',"owner":"ada"', ''), /bad\.ndjson:2: 'owner' is missing/],
    ['no selector', web.replace('"unix:uid:1000"', ''), /bad\.ndjson:2: 'selectors' is missing/],
    ['a bad SPIFFE ID', web.replace('/web', '/web?'), /bad\.ndjson:2: 'spiffeId': The SPIFFE ID/],
    ['a bad selector', web.replace('unix:uid:', ''), /bad\.ndjson:2: 'selectors': The selector/],
    ['a text as a list', web.replace('["unix:uid:1000"]', '"unix:uid:1000"'), /'selectors': must be a list of texts/],
    [
      'a bad duration',
      web.replace('"owner"', '"jwtSvidTtl":"5 minutes","owner"'),
      /'jwtSvidTtl': .* is not a duration/,
    ],
    ['a bad end', web.replace('"owner"', '"expiresAt":"tomorrow","owner"'), /'expiresAt': .* is not a time/],
    ['__proto__', web.replace('"owner"', '"__proto__":{},"owner"'), /unknown field '__proto__'/],
  ])('names file and line of %s', async (_, line, message) => {
    const path = file('bad.ndjson', `${job}\n${line}\n`);
    await expect(readEntryFile(path)).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringMatching(message),
    });
  });

  it('names the line of what is not YAML and of a bad entry in YAML', async () => {
    await expect(readEntryFile(file('x.yaml', `- ${web}\n- {a: b: c}\n`))).rejects.toThrow(/x\.yaml:2: not YAML/);
    await expect(readEntryFile(file('y.yaml', `- ${web}\n\n- owner: ada\n`))).rejects.toThrow(/y\.yaml:3: 'spiffeId'/);
  });

  it('survives a YAML alias bomb', async () => {
    const bomb = [
      '- &a [x,x,x,x,x,x,x,x,x,x]',
      ...'bcdefgh'.split('').map((n, i) => `- &${n} [${Array(10).fill(`*${'abcdefg'[i]}`).join(',')}]`),
    ];
    await expect(readEntryFile(file('bomb.yaml', bomb.join('\n')))).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('says what is wrong with a file that cannot be read or holds nothing', async () => {
    await expect(readEntryFile(join(directory, 'none'))).rejects.toMatchObject({ code: 'not-found' });
    await expect(readEntryFile(file('empty.yaml', '\n'))).rejects.toThrow(/holds no entry/);
    await expect(readEntryFile(file('empty.ndjson', '\n'))).rejects.toThrow(/holds no entry/);
  });
});
