import { describe, expect, it } from 'vitest';
import { createLog, type Log } from './log.ts';

function written(say: (log: Log) => void): string[] {
  const lines: string[] = [];
  say(createLog('debug', { write: (line) => void lines.push(line) }));
  return lines;
}

/** What a line, a terminal or an editor would obey. */
const hostile = 'x\n{"level":"error"}\r\t\x1b[31m\x7f\x9b2J\u061c\u202eoff\u2028\u2066\ufeff","y":"z\\';

describe('the log', () => {
  it('R-AUD-1 lets no text forge a line, or reach a terminal as anything but text', () => {
    const lines = written((log) => {
      log.info({ path: hostile, err: new Error(hostile) }, hostile);
      log.error({ [hostile]: 1 }, 'a name');
    });
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line.slice(0, -1)).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+$/u);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'info', path: hostile, msg: hostile });
  });

  it('R-AUD-1 tells of an error what it says, its code and its causes, and nothing that a library hung on it', () => {
    const request = { config: { headers: { authorization: 'Bearer canary' }, body: 'canary' }, code: 'ECONNRESET' };
    const cause = Object.assign(new Error('the service is away'), request);
    const error = Object.assign(new Error('cannot sign', { cause }), { response: { text: 'canary' }, reason: 'away' });
    const [line = ''] = written((log) => log.error({ err: error }, 'failed'));
    expect(line).not.toContain('canary');
    expect(JSON.parse(line).err).toMatchObject({ type: 'Error', message: expect.any(String), reason: 'away' });
    expect(JSON.parse(line).err.message).toContain('the service is away');
    expect(written((log) => log.info({ err: undefined }, 'no error'))[0]).not.toContain('err"');
    const [other = ''] = written((log) => log.error({ err: { token: 'canary' } }, 'not an error'));
    expect(other).not.toContain('canary');
  });

  it('R-AUD-1 cuts what is known to be secret, should it be handed over by mistake', () => {
    const secrets = { privateKey: 'canary', key: 'canary', token: 'canary', svid: 'canary', x509SvidKey: 'canary' };
    const [line] = written((log) => log.info({ ...secrets, held: { ...secrets, password: 'canary' } }, 'held'));
    expect(line).not.toContain('canary');
  });
});
