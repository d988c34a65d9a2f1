import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspectProcess } from '../runtime/peer.ts';
import { parseNames } from './accounts.ts';
import { attestWorkload, unixAttestor } from './attest.ts';

const attestSelf = async (hashLimitBytes: number, wants = true): Promise<string[]> => {
  const self = inspectProcess(process.pid);
  try {
    return [...(await attestWorkload(self, [unixAttestor({ hashLimitBytes })], () => wants))];
  } finally {
    self.close();
  }
};

describe('the unix attestor', () => {
  it("tells SPIRE's selectors from the kernel's facts", async () => {
    const selectors = await attestSelf(2 ** 30);
    const hash = createHash('sha256').update(readFileSync(process.execPath)).digest('hex');
    expect(selectors).toEqual(
      expect.arrayContaining([
        `unix:uid:${process.geteuid?.()}`,
        'unix:user:root',
        `unix:gid:${process.getegid?.()}`,
        'unix:group:root',
        `unix:path:${process.execPath}`,
        `unix:sha256:${hash}`,
      ]),
    );
  });

  it('R-PEER-5 tells nothing that the process says of itself: no command line, environment, name or working directory', async () => {
    const kinds = ['uid', 'user', 'gid', 'group', 'supplementary_gid', 'supplementary_group', 'path', 'sha256'];
    const [plain, dressed] = [{}, { canary: 'PATH=/usr/bin/trusted' }].map((env) =>
      spawn('/bin/sleep', ['5'], { argv0: 'canary', env, cwd: '/tmp' }),
    );
    const told = [];
    for (const child of [plain, dressed]) {
      if (child?.pid === undefined) throw new Error('not started');
      const looked = inspectProcess(child.pid);
      told.push([...(await attestWorkload(looked, [unixAttestor({ hashLimitBytes: 2 ** 30 })], () => true))]);
      looked.close();
      child.kill('SIGKILL');
    }
    expect(told[0]).toEqual(told[1]);
    for (const selector of told[0] ?? []) expect(kinds).toContain(selector.split(':')[1]);
    expect(told.flat().join()).not.toContain('canary');
  });

  it('hashes no executable that no entry asks about, and none over the limit', async () => {
    for (const selectors of [await attestSelf(2 ** 30, false), await attestSelf(1024)]) {
      expect(selectors.filter((selector) => selector.startsWith('unix:sha256:'))).toEqual([]);
    }
  });

  it('gives no path that cannot be written as a selector, and everything else all the same', async () => {
    const home = mkdtempSync('/run/mayfly-attest-');
    const program = join(home, 'odd\nname\x1b[31m');
    copyFileSync('/bin/sleep', program);
    const child = spawn(program, ['5']);
    await new Promise((resolve) => child.once('spawn', resolve));
    const process = inspectProcess(child.pid ?? 0);
    const selectors = [...(await attestWorkload(process, [unixAttestor({ hashLimitBytes: 0 })], () => true))];
    expect(selectors).toContain('unix:uid:0');
    expect(selectors.filter((selector) => selector.startsWith('unix:path:'))).toEqual([]);
    process.close();
    child.kill('SIGKILL');
    rmSync(home, { recursive: true });
  });

  it('SE-11 tells a stranger nothing of what an attestor found wrong', async () => {
    const self = inspectProcess(process.pid);
    const broken = { name: 'broken', attest: () => Promise.reject(new Error('/secret/path')) };
    await expect(attestWorkload(self, [broken], () => true)).rejects.toMatchObject({
      code: 'permission-denied',
      message: 'no identity issued',
      reason: 'attestor-broken-failed',
    });
    self.close();
  });

  it('refuses a process that has gone meanwhile', async () => {
    const self = inspectProcess(process.pid);
    self.close();
    await expect(attestWorkload(self, [], () => true)).rejects.toMatchObject({ reason: 'peer-gone' });
  });
});

describe('names of accounts', () => {
  it('take the first line for a number and skip what is no account', () => {
    const text = 'root:x:0:0::/root:/bin/sh\n# note\ntoor:x:0:0::/:/bin/sh\nodd:x:-1:0\nweb:x:1000:1000::/:/bin/sh\n';
    expect([...parseNames(text)]).toEqual([
      [0, 'root'],
      [1000, 'web'],
    ]);
  });
});
