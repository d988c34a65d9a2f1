import { expect, it } from 'vitest';
import { crc32c } from './crc32c.ts';

it.each([
  ['123456789', 0xe3069283],
  ['', 0],
])('crc32c of %j, the check value of the catalogue', (text, value) => expect(crc32c(Buffer.from(text))).toBe(value));

it('crc32c of 32 bytes of zero (RFC 3720 appendix B.4)', () => expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa));
