import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mint } from '../../test/fakes/minter.ts';
import { decodePem, encodePem } from './pem.ts';

describe('PEM', () => {
  it('is what other programs read', async () => {
    const { der } = await mint();
    expect(new X509Certificate(encodePem('CERTIFICATE', der)).raw).toEqual(der);
    expect(decodePem('CERTIFICATE', new X509Certificate(der).toString())).toEqual([der]);
  });

  it('comes back block by block, between text and blocks of other kinds', () => {
    const text = ['# a bundle', encodePem('A', Buffer.from('one')), encodePem('B', Buffer.from('key'))].join('\n');
    expect(decodePem('A', `${text}\r\n${encodePem('A', Buffer.from('two'))}`)).toEqual(
      ['one', 'two'].map((t) => Buffer.from(t)),
    );
    expect(decodePem('C', text)).toEqual([]);
  });

  it('is refused when a block has no end, no beginning, or is not base64', () => {
    const refused = {
      '-----BEGIN A-----\nQUJD': 'the A block has no end',
      '-----BEGIN A-----\n-----BEGIN A-----': 'the A block has no end',
      '-----END A-----': 'an END line has no BEGIN line',
      '-----BEGIN A-----\nQUJD\n-----END B-----': 'an END line has no BEGIN line',
      '-----BEGIN A-----\nQU*D\n-----END A-----': 'the A block is not base64',
      '-----BEGIN A-----\nQUI\n-----END A-----': 'the A block is not base64',
      '-----BEGIN A-----\n-----END A-----': 'the A block is not base64',
    };
    for (const [text, message] of Object.entries(refused)) {
      expect(() => decodePem('A', text)).toThrow(
        expect.objectContaining({ code: 'invalid-argument', message: `The PEM text is not valid: ${message}` }),
      );
    }
  });

  it('comes back as it was written', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
        expect(decodePem('X', encodePem('X', bytes))).toEqual([Buffer.from(bytes)]);
      }),
    );
  });
});
