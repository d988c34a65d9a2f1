/** A whole Node program with a source in it: how it lives while the Workload API is away, and how it ends. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { FakeCa, svidMessage, x509Answer } from '../fakes/ca.ts';
import { eventually } from '../fakes/eventually.ts';
import { FakeWorkloadApi } from '../fakes/workload-api.ts';

const sdk = fileURLToPath(new URL('../../src/sdk/sdk.ts', import.meta.url));
const ca = new FakeCa('example.org');

/** Runs a module that has everything of the SDK in scope as `sdk`. */
function run(program: string, address: string) {
  const source = `import * as sdk from ${JSON.stringify(sdk)};\n${program}`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: address },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const done = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { child, done: done.then(([stdout, stderr, [code]]) => ({ stdout, stderr, code })) };
}

describe('a program with a source', () => {
  it('EP-25 WA-17 waits for an agent that starts later, and ends when its source is closed', async () => {
    await using api = await FakeWorkloadApi.start();
    api.kill();
    const program = run(
      `{ await using source = await sdk.X509Source.open({ onError: () => console.log('waiting') });
         console.log(source.svid.id); }`,
      api.address,
    );
    await once(program.child.stdout, 'data');
    api.x509Svids.send(x509Answer([svidMessage(ca.issue('/web'), [ca.certificate])]));
    await api.restart();
    const { stdout, stderr, code } = await program.done;
    expect(stdout.replace(/^(waiting\n)+/, '')).toBe('spiffe://example.org/web\n');
    expect([stderr, code]).toEqual(['', 0]);
    await eventually('its stream is closed', () => api.x509Svids.open === 0);
  });

  it('dies of an error that says what to do when nobody tells it where the Workload API is', async () => {
    const { stderr, code } = await run('await sdk.X509Source.open();', '').done;
    expect(code).toBe(1);
    expect(stderr).toContain('No Workload API address: pass `address`, or set SPIFFE_ENDPOINT_SOCKET');
  });
});
