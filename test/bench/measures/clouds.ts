/** From a process to a session at AWS, with an STS of our own in between whose time is known and taken off. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type StrictSts, sessionReply } from '../../fakes/sts.ts';
import { audience, deploy, issuer, role, serveAws, startAccount } from '../../integration/aws.ts';
import { type Mayfly, startMayfly } from '../../integration/fixture.ts';
import { share } from '../rates.ts';
import type { Row } from '../row.ts';
import type { Measure } from './measure.ts';

const commands = 40;
/** Of one process, in one go: more of them the ledger does not take at once. */
const exchangesOfOne = 50;
const endpoints = 4;
const cachedAnswers = 2_000;

export const clouds: Measure = {
  title: 'clouds',
  run: async () => {
    await using mayfly = await startMayfly({ flags: ['--issuer', issuer] });
    await mayfly.operator.create(deploy);
    await using sts = await startAccount(mayfly);
    return [...(await fromNothing(mayfly, sts)), ...(await throughTheEndpoint(mayfly, sts))];
  },
};

/** As an SDK runs it: a process for each session. */
async function fromNothing(mayfly: Mayfly, sts: StrictSts): Promise<Row[]> {
  const took: number[] = [];
  for (let n = 0; n < commands; n++) {
    const begun = performance.now();
    const { status, stderr } = await mayfly.command(
      'credentials',
      'aws',
      '--role-arn',
      role,
      '--sts-endpoint',
      sts.endpoint,
    );
    took.push(performance.now() - begun);
    if (status !== 0) throw new Error(stderr);
  }
  const measure = 'credentials aws, process start and STS included';
  return [
    { measure: `${measure}: median`, value: share(took, 0.5), unit: 'ms', goal: { atMost: 400 } },
    { measure: `${measure}: p95`, value: share(took, 0.95), unit: 'ms', goal: { atMost: 400 } },
  ];
}

async function throughTheEndpoint(mayfly: Mayfly, sts: StrictSts): Promise<Row[]> {
  // A new token for each session, and a session that has ended when it arrives: nothing is kept anywhere.
  await mayfly.command('audience', 'set', 'aws', '--single-use');
  const [whole, ofSts]: [number[], number[]] = [[], []];
  for (let n = 0; n < endpoints; n++) {
    const timed = timing(sts);
    await using endpoint = await serving(mayfly, sts);
    for (let asked = 0; asked < exchangesOfOne; asked++) whole.push(await ask(endpoint));
    // The first was for the endpoint's own beginning.
    ofSts.push(...timed().slice(1));
  }
  const own = whole.map((ms, n) => ms - (ofSts[n] ?? Number.NaN));
  await using endpoint = await serving(mayfly, sts);
  const kept: number[] = [];
  for (let asked = 0; asked < cachedAnswers; asked++) kept.push(await ask(endpoint));
  const goal = { atMost: 15 };
  return [
    {
      measure: 'container endpoint, every answer a new token and a new session, without the STS: p99',
      value: share(own, 0.99),
      unit: 'ms',
      goal,
    },
    { measure: 'container endpoint, the session kept: p99', value: share(kept, 0.99), unit: 'ms', goal },
  ];
}

/** Sessions that have ended already, until told to stop; how long each was in the making there. */
function timing(sts: StrictSts): () => number[] {
  const took: number[] = [];
  sts.trouble = ({ form }) => {
    const begun = performance.now();
    const about = { arn: role, session: form.get('RoleSessionName') ?? '', subject: deploy.spiffeId, audience };
    const reply = sessionReply({ ...about, seconds: 0 });
    took.push(performance.now() - begun);
    return reply;
  };
  return () => {
    sts.trouble = undefined;
    return took;
  };
}

interface Serving extends AsyncDisposable {
  readonly url: string;
  readonly authorization: string;
}

async function serving(mayfly: Mayfly, sts: StrictSts): Promise<Serving> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-aws-'));
  const file = join(directory, 'word');
  const { variables, stop } = serveAws(mayfly, sts, file);
  const { AWS_CONTAINER_CREDENTIALS_FULL_URI: url = '' } = await variables;
  return {
    url,
    authorization: readFileSync(file, 'utf8'),
    [Symbol.asyncDispose]: async () => {
      await stop();
      rmSync(directory, { recursive: true });
    },
  };
}

/** Milliseconds until the whole answer is there, on a connection of its own, as SDKs make it. */
async function ask({ url, authorization }: Serving): Promise<number> {
  const begun = performance.now();
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  http.get(url, { headers: { authorization }, agent: false }, resolve).on('error', reject);
  const response = await promise;
  for await (const _ of response);
  if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
  return performance.now() - begun;
}
