import { createPrivateKey } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LedgerRecord } from '../../src/gen/mayfly/admin/v1/admin.ts';
import { leafOf, readToken } from './documents.ts';
import { first, type Mayfly, startMayfly } from './fixture.ts';
import type { X509SvidMessage } from './wire.ts';
import type { Workload } from './workload.ts';

let mayfly: Mayfly;
let workload: Workload;
let entryId: string;
let x509: X509SvidMessage;
let token: string;
let records: LedgerRecord[];

beforeAll(async () => {
  mayfly = await startMayfly({ flags: ['--log-level', 'debug'] });
  const entry = { spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:10001'], audiences: ['reports'] };
  entryId = (await mayfly.operator.create(entry)).id;
  workload = await mayfly.workload(10001);
  x509 = first((await workload.x509()).svids);
  token = first(await workload.jwt(['reports'])).svid;
  await (await mayfly.workload(10002)).call('FetchX509SVID');
  await workload.validate('reports', token);
  records = await mayfly.operator.records();
});
afterAll(() => mayfly[Symbol.asyncDispose]());

const about = (text: string): LedgerRecord[] => records.filter((record) => record.json.includes(text));

describe('the record of what was issued', () => {
  it('SE-24 an X.509-SVID: time, id, serial, uid, pid, entry and owner', () => {
    const serial = leafOf(x509.x509Svid).serialNumber;
    const [record] = records.filter((one) => one.json.toLowerCase().includes(serial.toLowerCase()));
    expect(record?.at).toBeInstanceOf(Date);
    for (const fact of [x509.spiffeId, entryId, '10001', String(workload.pid), 'ada'])
      expect(record?.json).toContain(fact);
  });

  it('SE-24 a JWT-SVID: time, id, jti, audience, uid, pid and entry', () => {
    const jti = String(readToken(token).claims['jti']);
    expect(about(jti)).toHaveLength(1);
    for (const fact of ['spiffe://example.org/web', entryId, 'reports', '10001', String(workload.pid)]) {
      expect(first(about(jti)).json).toContain(fact);
    }
  });

  it('SE-24 it is found by serial, by jti, by pid and by id', async () => {
    const serial = leafOf(x509.x509Svid).serialNumber;
    const jti = String(readToken(token).claims['jti']);
    const found = async (filter: Parameters<typeof mayfly.operator.records>[0]) =>
      (await mayfly.operator.records(filter)).length;
    expect(await found({ serial: serial.toLowerCase() })).toBe(1);
    expect(await found({ jti })).toBe(1);
    expect(await found({ pid: workload.pid })).toBeGreaterThan(1);
    expect(await found({ spiffeId: x509.spiffeId })).toBeGreaterThan(1);
  });

  it('SE-24 it verifies', async () => {
    expect(await mayfly.operator.verifyLedger()).toMatchObject({ ok: true, problem: '' });
  });
});

describe('secrets', () => {
  it('SE-12 SE-24 no private key and no token is in the log, at any level, or in the ledger', () => {
    const scalar =
      createPrivateKey({ key: x509.x509SvidKey, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' }).d ?? '';
    const bytes = Buffer.from(scalar, 'base64url');
    const signature = token.split('.')[2] ?? '';
    const forms = [scalar, bytes.toString('hex'), bytes.toString('base64'), signature, 'PRIVATE KEY', '"d":"'];
    const written = [mayfly.output, ...records.map((record) => record.json)].join('\n');
    expect(mayfly.output.length).toBeGreaterThan(0);
    for (const form of forms) expect(written).not.toContain(form);
    expect(written).not.toMatch(/eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{20,}/);
  });

  it('SE-12 the workload’s key is in no file of the data directory', () => {
    const jwk = createPrivateKey({ key: x509.x509SvidKey, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
    const scalar = Buffer.from(jwk.d ?? '', 'base64url');
    for (const file of readdirSync(mayfly.dataDirectory, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const content = readFileSync(join(file.parentPath, file.name));
      expect(content.includes(scalar), file.name).toBe(false);
      expect(content.includes(jwk.d ?? ''), file.name).toBe(false);
    }
  });
});
