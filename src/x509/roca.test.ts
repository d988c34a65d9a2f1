import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { isRoca } from './roca.ts';

/** From a real key of the kind, as Project Wycheproof keeps it (json_web_key, tcId 7). */
const weak =
  'AanFpofbj7KjD4Lf-N2hVMKR7yewSyXhhbirIMTGpfYEhZ_lnt5UoK98DnKIgArXGTu3MaW_HhFw16HGaTDUHqPrId7fe4r11CqRw09yBFuW79V8' +
  'sYIwHdzCaWflUI6auImYbVfoN9_nD5n8N8SY9DwXw7mwZM9wREPXoDPgOoIWl6q_MPsp7n0zs3Z5ZaiQWOOzl1S9OhwAfSiiOwz6efnXEaxuTEtP' +
  'd7BjSx7NaFka8Dx9U7YqXy2RFj1O9PjyaDGuRh7YXsX3iMUSP_wSyHQg_c_qHRtKUsNSGCT7OZg0hzm2KphtjnayKJvC64vAbROBR4Ubg6Bxg9IQ' +
  'VZ-QYyE';

describe('an RSA key', () => {
  it('is known by its modulus when it is one of those that can be factored (CVE-2017-15361)', () => {
    expect(isRoca(Buffer.from(weak, 'base64url'))).toBe(true);
  });

  it('of anybody else is not taken for one', () => {
    for (let n = 0; n < 3; n++) {
      const { n: modulus } = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
      expect(isRoca(Buffer.from(modulus ?? '', 'base64url'))).toBe(false);
    }
    expect(isRoca(Buffer.alloc(256, 0xff))).toBe(false);
  });
});
