import { describe, expect, it } from 'vitest';
import { resolveHost } from './resolve.ts';

const never = new AbortController().signal;

describe('a name', () => {
  it.each([
    ['192.0.2.7', ['192.0.2.7']],
    ['[2001:db8::7]', ['2001:db8::7']],
    ['localhost', ['127.0.0.1', '::1']],
    ['api.localhost', ['127.0.0.1', '::1']],
  ])('%s needs no name server', async (name, addresses) => {
    expect(await resolveHost(name, never)).toEqual(addresses);
  });

  it('that nobody has, or that is called off, is refused by name', async () => {
    const over = new AbortController();
    const asked = resolveHost('nobody.invalid', over.signal);
    over.abort();
    await expect(asked).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'fetch-name',
      message: expect.stringMatching(/^the name nobody.invalid cannot be resolved/),
    });
  });
});
