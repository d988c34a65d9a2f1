import { describe, expect, it } from 'vitest';
import { refuseObservers } from './observers.ts';

describe('options that Node is started with', () => {
  it.each([
    '--inspect',
    '--inspect=127.0.0.1:9229',
    '--inspect-brk --no-warnings',
    '--max-old-space-size=64 --heapsnapshot-signal=SIGUSR2',
    '--heapsnapshot-near-heap-limit=3',
    '"--report-on-signal"',
    '--report_on_fatalerror',
    '--heap-prof',
    '--cpu-prof',
    '--trace-env',
  ])('R-KEY-1 I8 are refused where they would show what is in memory: %s', (options) => {
    expect(() => refuseObservers(options)).toThrow(/NODE_OPTIONS has "?--[a-z_-]+.*unset it/);
  });

  it.each(['', '--max-old-space-size=64', '--no-warnings --use-openssl-ca'])('are taken otherwise: %j', (options) => {
    refuseObservers(options);
  });
});
