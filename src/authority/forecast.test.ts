import { describe, expect, it } from 'vitest';
import { made } from '../../test/fakes/rotation.ts';
import { forecast } from './forecast.ts';
import type { Lifecycle, RotationPolicy } from './rotation.ts';

const hour = 3_600_000;
const day = 24 * hour;
const policy: RotationPolicy = { lifeMs: day, longestTtlMs: hour, publishLeadMs: 25 * 60_000 };

describe('forecast', () => {
  const signer: Lifecycle = { ...made(0, policy, 'active'), activatedAt: 0 };

  it('says when the next authorities are published, sign, retire and go, by the rules that rotation keeps', () => {
    const spans = forecast([signer], { x509: policy, jwt: policy }, hour, 2 * day).filter(
      ({ kind }) => kind === 'x509',
    );
    const handover = (day * 5) / 6;
    expect(spans.slice(0, 2)).toEqual([
      {
        id: signer.id,
        kind: 'x509',
        state: 'active',
        publishedAt: 0,
        activatesAt: 0,
        retiresAt: handover,
        taintedAt: undefined,
        expiresAt: day,
        removedAt: day + hour,
      },
      {
        id: '',
        kind: 'x509',
        state: undefined,
        publishedAt: day / 2,
        activatesAt: handover,
        retiresAt: day / 2 + handover,
        taintedAt: undefined,
        expiresAt: day / 2 + day,
        removedAt: day / 2 + day + hour,
      },
    ]);
    for (const [at, span] of spans.entries()) {
      const next = spans[at + 1];
      if (next?.activatesAt !== undefined) expect(span.retiresAt).toBe(next.activatesAt);
    }
  });

  it('keeps what is today as it is today', () => {
    const tainted: Lifecycle = { ...made(-day, policy, 'tainted'), activatedAt: -day, retiredAt: 0, taintedAt: 1 };
    expect(forecast([tainted, signer], { x509: policy, jwt: policy }, hour, 2 * day)[0]).toMatchObject({
      id: tainted.id,
      state: 'tainted',
      taintedAt: 1,
      removedAt: hour,
    });
  });
});
