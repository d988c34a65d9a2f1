/** Changes to files as an input: a list of places with what is to stand there, so that a small input says what is wrong. */

export interface File {
  readonly name: string;
  readonly bytes: Buffer;
}

const headBytes = 5;

/** Reads `file, place (24 bits), cut, length, bytes…` until the input ends. Places are taken modulo the file's length. */
export function edited(files: readonly File[], input: Buffer): File[] {
  const result = files.map((file) => ({ ...file }));
  for (let at = 0; at + headBytes < input.length; ) {
    const [index = 0, cut = 0, length = 0] = [input[at], input[at + 4], input[at + 5]];
    const inserted = input.subarray(at + headBytes + 1, at + headBytes + 1 + length);
    const file = result[index % result.length];
    at += headBytes + 1 + length;
    if (file === undefined) continue;
    const place = input.readUIntBE(at - headBytes - length, 3) % (file.bytes.length + 1);
    file.bytes = Buffer.concat([file.bytes.subarray(0, place), inserted, file.bytes.subarray(place + cut)]);
  }
  return result;
}

export const edit = (file: number, place: number, cut: number, inserted: Buffer | string): Buffer => {
  const bytes = Buffer.from(inserted as string, 'latin1');
  const head = Buffer.alloc(headBytes + 1);
  head[0] = file;
  head.writeUIntBE(place, 1, 3);
  head[4] = cut;
  head[5] = bytes.length;
  return Buffer.concat([head, bytes]);
};
