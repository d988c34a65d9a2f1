import { describe, expect, it } from 'vitest';
import { signAwsRequest } from './aws-signature.ts';

const credentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
const at = Date.parse('2013-05-24T00:00:00Z');
const signed = (authorization: string | undefined) =>
  /SignedHeaders=([^,]+),Signature=(\w+)$/.exec(authorization ?? '');

describe('the signature of a request to AWS', () => {
  it('is the one of the published example: PutObject with a key that must be encoded', () => {
    const headers = signAwsRequest(
      {
        method: 'PUT',
        url: new URL('https://examplebucket.s3.amazonaws.com/test%24file.text'),
        headers: { date: 'Fri, 24 May 2013 00:00:00 GMT', 'x-amz-storage-class': 'REDUCED_REDUNDANCY' },
        body: Buffer.from('Welcome to Amazon S3.'),
        region: 'us-east-1',
        service: 's3',
        at,
      },
      credentials,
    );
    const [, names, signature] = signed(headers['authorization']) ?? [];
    expect(names).toBe('date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class');
    expect(signature).toBe('98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd');
    expect(headers['x-amz-content-sha256']).toBe('44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072');
  });

  it.each([
    [
      'a query',
      'https://examplebucket.s3.amazonaws.com/?lifecycle',
      'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543',
    ],
    [
      'two parameters',
      'https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J',
      '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    ],
  ])('is the one of the published example: %s', (_, url, expected) => {
    const request = { method: 'GET', url: new URL(url), headers: {}, body: Buffer.alloc(0), region: 'us-east-1' };
    const headers = signAwsRequest({ ...request, service: 's3', at }, credentials);
    expect(signed(headers['authorization'])?.[2]).toBe(expected);
  });

  it('covers the token of credentials that end', () => {
    const request = { method: 'PUT', url: new URL('https://s3.example/b/k'), headers: {}, body: Buffer.alloc(0) };
    const headers = signAwsRequest(
      { ...request, region: 'r', service: 's3', at },
      { ...credentials, sessionToken: 't' },
    );
    expect(headers['x-amz-security-token']).toBe('t');
    expect(signed(headers['authorization'])?.[1]).toBe('host;x-amz-content-sha256;x-amz-date;x-amz-security-token');
  });
});
