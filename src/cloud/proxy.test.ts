import net, { type AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { ConnectProxy } from '../../test/fakes/connect-proxy.ts';
import { type ProxyServer, proxyFor, tunnel } from './proxy.ts';

const sts = new URL('https://sts.eu-central-1.amazonaws.com/');
const never = new AbortController().signal;
const named = (httpsProxy: string, noProxy = '', target = sts): string | undefined =>
  proxyFor(target, { httpsProxy, noProxy })?.name;
const proxyAt = (address: string): ProxyServer =>
  proxyFor(sts, { httpsProxy: address, noProxy: undefined }) as ProxyServer;

describe('which proxy', () => {
  it.each([
    ['http://proxy.example:3128', 'http://proxy.example:3128'],
    ['https://proxy.example', 'https://proxy.example'],
    ['proxy.example:3128', 'http://proxy.example:3128'],
    ['http://ada:s3cret%40@proxy.example:3128/', 'http://proxy.example:3128'],
  ])('%s is %s, and its password is nowhere but in what it is sent', (variable, name) => {
    expect(named(variable)).toBe(name);
  });

  it('sends name and password as they were meant', () => {
    const proxy = proxyAt('http://ada:s3cret%40@proxy.example:3128');
    expect(proxy.authorization).toBe(`Basic ${Buffer.from('ada:s3cret@').toString('base64')}`);
  });

  it.each(['socks5://ada:s3cret@proxy:1080', 'http://', 'rubbish s3cret'])('%s is refused, unrepeated', (variable) => {
    expect(() => named(variable)).toThrow(/^HTTPS_PROXY is not the URL of an HTTP proxy: write http:\/\/host:port$/);
  });

  it.each([
    ['*', sts],
    ['amazonaws.com', sts],
    ['.amazonaws.com', sts],
    ['*.amazonaws.com', sts],
    ['x.example, STS.eu-central-1.amazonaws.com:443', sts],
    ['10.0.0.0/8', new URL('https://10.9.8.7/')],
    ['10.9.8.7', new URL('https://10.9.8.7:8443/')],
    ['fd00::/8', new URL('https://[fd00:ec2::23]/')],
    ['[fd00:ec2::23]:8443', new URL('https://[fd00:ec2::23]:8443/')],
    ['', new URL('https://localhost:8443/')],
    ['', new URL('https://127.0.0.2/')],
    ['', new URL('https://[::1]/')],
    ['', new URL('http://127.0.0.1/')],
  ])('none, by NO_PROXY %j, for %s', (exempt, target) => {
    expect(named('http://proxy:3128', exempt, target)).toBeUndefined();
  });

  it.each([
    ['aws.com', sts],
    ['eu-central-1.amazonaws.com:8443', sts],
    ['sts', sts],
    [' , ', sts],
    ['10.0.0.0/8', new URL('https://11.0.0.1/')],
    ['10.0.0.0/x', new URL('https://10.0.0.1/')],
    ['fd00::/8', new URL('https://10.0.0.1/')],
  ])('one, in spite of NO_PROXY %j, for %s', (exempt, target) => {
    expect(named('http://proxy:3128', exempt, target)).toBe('http://proxy:3128');
  });
});

describe('a tunnel', () => {
  it('is a connection to whoever was named, through whoever may', async () => {
    await using server = await speaking((socket) => socket.pipe(socket));
    const hosts = { 'sts.eu-central-1.amazonaws.com:443': `http://127.0.0.1:${server.port}` };
    await using proxy = await ConnectProxy.start({ hosts, who: 'ada:s3cret' });
    const socket = await tunnel(proxyAt(proxy.address('ada:s3cret')), sts, never);
    socket.end('hello');
    let said = '';
    for await (const part of socket.setEncoding('utf8')) said += part;
    expect(said).toBe('hello');
    await expect(tunnel(proxyAt(proxy.address()), sts, never)).rejects.toMatchObject({ status: 407 });
    await expect(
      tunnel(proxyAt(proxy.address('ada:s3cret')), new URL('https://x.example'), never),
    ).rejects.toMatchObject({
      message: 'refuses to connect with status 502',
    });
  });

  it.each([
    ['HTTP/1.1 200 OK\r\n\r\nHello', 'speaks before the server does'],
    ['SSH-2.0-x\r\n', 'does not speak http (HPE_INVALID_CONSTANT)'],
    [`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(20_000)}`, '(HPE_HEADER_OVERFLOW)'],
    ['', 'cannot be reached or does not speak http (ECONNRESET)'],
  ])('is refused to one that answers %.30j', async (answer, message) => {
    await using server = await speaking((socket) => socket.end(answer));
    const asking = tunnel(proxyAt(`http://127.0.0.1:${server.port}`), sts, never);
    await expect(asking).rejects.toThrow(message);
  });

  it('is given up when there is no more time, though the proxy is silent', async () => {
    await using server = await speaking(() => undefined);
    const over = new AbortController();
    const asking = tunnel(proxyAt(`http://127.0.0.1:${server.port}`), sts, over.signal);
    await server.connected;
    over.abort();
    await expect(asking).rejects.toThrow('ABORT_ERR');
  });
});

async function speaking(speak: (socket: net.Socket) => void) {
  const { promise: connected, resolve: connect } = Promise.withResolvers<void>();
  const open = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    open.add(socket.on('error', () => undefined));
    socket.once('data', () => connect());
    speak(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port, connected, [Symbol.asyncDispose]: close };
}
