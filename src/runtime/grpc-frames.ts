/**
 * gRPC's length-prefixed messages over HTTP/2, one direction each way: a flag byte, four bytes of length, the message.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
import { IdentityError } from '../errors.ts';

const prefixLength = 5;

/** Puts a message behind its prefix. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(prefixLength + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, prefixLength);
  return framed;
}

/** A message that goes to many callers: it is put into bytes once, by whoever sends it first. */
export class Shared<Message> {
  readonly message: Message;
  #framed: Buffer | undefined;

  constructor(message: Message) {
    this.message = message;
  }

  /** @param serialize the same for all, as they all answer the same method */
  framed(serialize: (message: Message) => Uint8Array): Buffer {
    this.#framed ??= frame(serialize(this.message));
    return this.#framed;
  }
}

/**
 * Cuts a byte stream into messages. The declared length is judged from the prefix, before any byte is kept for it, and
 * pieces are joined once per message, so that a body sent byte by byte costs no more than one sent whole.
 */
export class FrameReader {
  readonly #limit: number;
  #pieces: Buffer[] = [];
  #held = 0;
  /** Bytes that the next step waits for: a prefix, or a prefix with its message. */
  #wanted = prefixLength;

  /** @param limit largest message in bytes */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The messages that `chunk` completes. Throws on a compressed or an oversized one. */
  push(chunk: Buffer): Buffer[] {
    this.#pieces.push(chunk);
    this.#held += chunk.length;
    const messages: Buffer[] = [];
    while (this.#held >= this.#wanted) {
      const message = this.#step();
      if (message !== undefined) messages.push(message);
    }
    return messages;
  }

  /** Call at the end of the stream: a message cut short is an error. */
  end(): void {
    if (this.#held > 0) throw new IdentityError('invalid-argument', 'the request ends inside a message');
  }

  #step(): Buffer | undefined {
    const bytes = this.#pieces.length === 1 ? (this.#pieces[0] as Buffer) : Buffer.concat(this.#pieces);
    const end = prefixLength + this.#lengthIn(bytes);
    const complete = bytes.length >= end;
    const rest = complete ? bytes.subarray(end) : bytes;
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#held = rest.length;
    this.#wanted = complete ? prefixLength : end;
    return complete ? bytes.subarray(prefixLength, end) : undefined;
  }

  #lengthIn(bytes: Buffer): number {
    if (bytes[0] !== 0) throw new IdentityError('unimplemented', 'compressed messages are not accepted');
    const length = bytes.readUInt32BE(1);
    if (length <= this.#limit) return length;
    throw new IdentityError('resource-exhausted', `a message of ${length} bytes is over the limit of ${this.#limit}`);
  }
}

/** grpc-timeout: at most eight digits and a unit (nanoseconds to hours). Milliseconds, undefined when absent or odd. */
export function parseTimeout(text: unknown): number | undefined {
  const match = typeof text === 'string' ? /^(\d{1,8})([HMSmun])$/.exec(text) : null;
  const unit = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 }[match?.[2] ?? ''];
  return unit === undefined ? undefined : Math.ceil(Number(match?.[1]) * unit);
}

/** grpc-message is percent-encoded UTF-8; everything but printable ASCII, and '%' itself, is escaped. */
export const encodeStatusMessage = (text: string): string =>
  [...Buffer.from(text)]
    .map((byte) =>
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('');
