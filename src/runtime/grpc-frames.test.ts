import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeStatusMessage, FrameReader, frame, parseTimeout } from './grpc-frames.ts';

describe('gRPC frames', () => {
  it('reads back every message, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), fc.integer({ min: 1, max: 50 }), (messages, cut) => {
        const bytes = Buffer.concat(messages.map(frame));
        const reader = new FrameReader(200);
        const read: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += cut) read.push(...reader.push(bytes.subarray(at, at + cut)));
        reader.end();
        expect(read.map((message) => message.toString('hex'))).toEqual(
          messages.map((m) => Buffer.from(m).toString('hex')),
        );
      }),
    );
  });

  it('R-NET-2 refuses a message from its declared length, before any of it has come', () => {
    const declared = Buffer.from([0, 0xff, 0xff, 0xff, 0xff]);
    expect(() => new FrameReader(64 * 1024).push(declared)).toThrow(
      expect.objectContaining({ code: 'resource-exhausted', message: expect.stringContaining('4294967295') }),
    );
  });

  it('R-NET-2 refuses a compressed message', () => {
    expect(() => new FrameReader(100).push(Buffer.from([1, 0, 0, 0, 0]))).toThrow(
      expect.objectContaining({ code: 'unimplemented' }),
    );
  });

  it('refuses a stream that ends inside a message', () => {
    const reader = new FrameReader(100);
    reader.push(frame(Buffer.alloc(10)).subarray(0, 12));
    expect(() => reader.end()).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });

  it.each([
    ['1S', 1000],
    ['10m', 10],
    ['5H', 18_000_000],
    ['1n', 1],
    ['123456789S', undefined],
    ['', undefined],
    ['S', undefined],
    ['-1S', undefined],
  ])('reads the timeout %j as %j milliseconds', (text, ms) => expect(parseTimeout(text)).toBe(ms));

  it('escapes what may not stand in a header, so that no message can add one', () => {
    expect(encodeStatusMessage('50% of\r\nx: é')).toBe('50%25 of%0D%0Ax: %C3%A9');
  });
});
