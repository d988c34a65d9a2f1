/** AWS Signature Version 4, for one request with its body at hand: with a secret, or with a certificate’s key. Pure. */
import { createHmac, hash, type KeyObject, sign } from 'node:crypto';

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Of credentials that end. */
  readonly sessionToken?: string | undefined;
}

/** What proves who sends a request instead of a secret: our certificate, and the key that it speaks of. */
export interface AwsCertificate {
  /** DER, leaf first; the root is left out. */
  readonly certificates: readonly Buffer[];
  readonly privateKey: KeyObject;
  /** Of the leaf: hexadecimal. */
  readonly serial: string;
}

export interface AwsRequest {
  readonly method: string;
  readonly url: URL;
  /** Lower-case names; all of them are signed, and `host` besides. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly region: string;
  readonly service: string;
  readonly at: number;
}

/** The headers of the request, those that prove who sends it included. */
export function signAwsRequest(request: AwsRequest, credentials: AwsCredentials): Record<string, string> {
  const { region, service } = request;
  const date = dateOf(request);
  const headers = {
    ...request.headers,
    host: request.url.host,
    'x-amz-content-sha256': hash('sha256', request.body, 'hex'),
    'x-amz-date': date,
    ...(credentials.sessionToken === undefined ? {} : { 'x-amz-security-token': credentials.sessionToken }),
  };
  const { scope, signedHeaders, toSign } = toBeSigned('AWS4-HMAC-SHA256', request, headers);
  const parts = [date.slice(0, 8), region, service, 'aws4_request'];
  const key = parts.reduce<string | Buffer>(hmac, `AWS4${credentials.secretAccessKey}`);
  const signature = hmac(key, toSign).toString('hex');
  const authorization = `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope},SignedHeaders=${signedHeaders},Signature=${signature}`;
  return { ...headers, authorization };
}

/** The same by the key of a certificate, which travels along: the way of IAM Roles Anywhere. */
export function signWithCertificate(request: AwsRequest, certificate: AwsCertificate): Record<string, string> {
  const { certificates, privateKey, serial } = certificate;
  const [leaf, ...chain] = certificates.map((der) => der.toString('base64'));
  if (leaf === undefined) throw new TypeError('a request is signed with a certificate');
  const headers = {
    ...request.headers,
    host: request.url.host,
    'x-amz-date': dateOf(request),
    'x-amz-x509': leaf,
    ...(chain.length === 0 ? {} : { 'x-amz-x509-chain': chain.join(',') }),
  };
  const algorithm = algorithmOf(privateKey);
  const { scope, signedHeaders, toSign } = toBeSigned(algorithm, request, headers);
  // ECDSA: ASN.1 DER, as `node:crypto` writes it. RSA: PKCS #1 v1.5.
  const signature = sign('sha256', Buffer.from(toSign), privateKey).toString('hex');
  // Twenty bytes of serial number are more than a double can count.
  const credential = `${BigInt(`0x${serial.replaceAll(':', '')}`)}/${scope}`;
  const authorization = `${algorithm} Credential=${credential}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
  return { ...headers, authorization };
}

function algorithmOf({ asymmetricKeyType }: KeyObject): string {
  if (asymmetricKeyType === 'ec') return 'AWS4-X509-ECDSA-SHA256';
  if (asymmetricKeyType === 'rsa') return 'AWS4-X509-RSA-SHA256';
  throw new TypeError(`a key of type ${asymmetricKeyType} cannot sign a request to AWS`);
}

type Headers = Readonly<Record<string, string>>;

function toBeSigned(algorithm: string, request: AwsRequest, headers: Headers) {
  const date = dateOf(request);
  const { canonical, signedHeaders } = canonicalRequest(request, headers);
  const scope = `${date.slice(0, 8)}/${request.region}/${request.service}/aws4_request`;
  return { scope, signedHeaders, toSign: [algorithm, date, scope, hash('sha256', canonical, 'hex')].join('\n') };
}

/** One spelling of a request, so that both sides compute over the same bytes. */
export function canonicalRequest({ method, url, body }: Pick<AwsRequest, 'method' | 'url' | 'body'>, headers: Headers) {
  const names = Object.keys(headers).sort();
  const signedHeaders = names.join(';');
  const canonical = [
    method,
    // Encoded once, from what the URL holds.
    url.pathname
      .split('/')
      .map((segment) => encodeStrictly(decodeURIComponent(segment)))
      .join('/'),
    canonicalQuery(url),
    ...names.map((name) => `${name}:${headers[name]?.trim().replaceAll(/ +/g, ' ')}`),
    '',
    signedHeaders,
    hash('sha256', body, 'hex'),
  ].join('\n');
  return { canonical, signedHeaders };
}

const dateOf = ({ at }: AwsRequest): string => new Date(at).toISOString().replaceAll(/[-:]|\.\d+/g, '');

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

const canonicalQuery = (url: URL): string =>
  [...url.searchParams]
    .map(([name, value]) => `${encodeStrictly(name)}=${encodeStrictly(value)}`)
    .sort()
    .join('&');

/** RFC 3986 section 2.3: whatever is not unreserved is encoded. `encodeURIComponent` leaves some of it. */
export const encodeStrictly = (text: string): string =>
  encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
