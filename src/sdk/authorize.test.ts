import { describe, expect, it } from 'vitest';
import { SpiffeId } from '../spiffe/id.ts';
import { authorizeAny, authorizeId, authorizeIf, authorizeMemberOf, authorizePath } from './authorize.ts';

const id = (text: string) => SpiffeId.parse(text);
const pay = id('spiffe://example.org/pay');

describe('who may speak to us', () => {
  it('ID-20 an identity is compared whole, its path in its own case', () => {
    const authorize = authorizeId('spiffe://example.org/pay', 'spiffe://example.org/web');
    expect(authorize(pay)).toBe(true);
    expect(authorize(id('spiffe://example.org/pay/eu'))).toBe(false);
    expect(authorize(id('spiffe://example.org/payroll'))).toBe(false);
    expect(authorize(id('spiffe://example.org/Pay'))).toBe(false);
    expect(authorize(id('spiffe://other.org/pay'))).toBe(false);
    expect(authorizeId()(pay)).toBe(false);
  });

  it('a trust domain is compared whole', () => {
    const authorize = authorizeMemberOf('example.org');
    expect(authorize(pay)).toBe(true);
    expect(authorize(id('spiffe://example.org.evil/pay'))).toBe(false);
    expect(authorize(id('spiffe://sub.example.org/pay'))).toBe(false);
  });

  it('SE-22 a path is matched by whole segments', () => {
    const authorize = authorizePath('spiffe://example.org/pay');
    expect(authorize(pay)).toBe(true);
    expect(authorize(id('spiffe://example.org/pay/eu'))).toBe(true);
    expect(authorize(id('spiffe://example.org/payroll'))).toBe(false);
    expect(authorize(id('spiffe://example.org/web/pay'))).toBe(false);
    expect(authorize(id('spiffe://other.org/pay/eu'))).toBe(false);
  });

  it.each([
    '',
    'spiffe://example.org',
    'spiffe://example.org/',
    'spiffe://example.org/pay/',
    'spiffe://example.org/../x',
  ])('SE-22 a path rule of %j lets nobody in: it is refused', (rule) => {
    expect(() => authorizePath(rule)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });

  it('a predicate says yes with true alone', () => {
    expect(authorizeIf((peer) => peer === pay)(pay)).toBe(true);
    expect(authorizeIf((async () => false) as unknown as () => boolean)(pay)).toBe(false);
    expect(authorizeAny()(pay)).toBe(true);
  });

  it('a rule that names no SPIFFE ID is refused', () => {
    expect(() => authorizeId('example.org/pay')).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
    expect(() => authorizeMemberOf('Example.org')).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });
});
