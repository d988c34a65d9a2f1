/** What AWS, or somebody in its place, answers. */
import { parseRole } from '../../../src/cloud/aws.ts';
import { readCreatedSession } from '../../../src/cloud/aws-roles-anywhere.ts';
import { readStsError, readWebIdentitySession } from '../../../src/cloud/aws-sts.ts';
import { faultOf } from '../../../src/cloud/fault.ts';
import { parseXml } from '../../../src/cloud/xml.ts';
import { errorReply, sessionReply } from '../../fakes/sts.ts';
import { promise, type Target, texts } from '../engine/target.ts';

const role = parseRole('arn:aws:iam::123456789012:role/deploy');
const subject = 'spiffe://example.org/web';
const question = { endpoint: 'https://sts.example/', role, sessionName: 'mayfly-1', subject };
const session = { arn: role.arn, session: question.sessionName, subject, audience: 'a', seconds: 900 };
const principal = `arn:aws:sts::123456789012:assumed-role/deploy/${question.sessionName}`;

export const xml: Target = {
  seeds: texts(
    '<?xml version="1.0"?><a b="c"><d>&lt;&#x41;&#65;</d><d/></a>',
    '<a><b></a></b>',
    '&amp;',
    '<!DOCTYPE a>',
    ']]>',
  ),
  run: (input) => {
    const found = parseXml(input.toString('utf8'));
    promise(found.size > 0, 'a document has a root');
    for (const [path] of found) promise(path.split('/').length <= 32, 'no deeper than an answer goes');
  },
};

export const stsAnswer: Target = {
  seeds: texts(sessionReply(session).body, errorReply(400, 'InvalidIdentityToken', 'a & b').body),
  run: (input) => {
    const body = input.toString('utf8');
    const [code] = readStsError(body);
    const { principal: who, accessKeyId, expiresAt } = readWebIdentitySession(body, question);
    promise(code === undefined, 'an error is no session');
    promise(who === principal, 'of the role and the name that were asked for');
    promise(accessKeyId !== '' && Number.isFinite(expiresAt), 'whole');
  },
};

const created = {
  credentialSet: [
    {
      assumedRoleUser: { arn: principal },
      credentials: { accessKeyId: 'A', secretAccessKey: 'S', sessionToken: 'T', expiration: '2026-11-26T12:00:00Z' },
    },
  ],
};

export const rolesAnywhereAnswer: Target = {
  seeds: texts(
    JSON.stringify(created),
    '{"credentialSet":[null]}',
    '{"credentialSet":[{"credentials":7}]}',
    'null',
    '[]',
  ),
  run: (input) => {
    const { principal: who, expiresAt } = readCreatedSession(input.toString('utf8'), question);
    promise(who === principal, 'of the role and the name that were asked for');
    promise(Number.isFinite(expiresAt), 'whole');
  },
};

const secret = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlMDEyMzQ1Njc4OQ';
const request = { url: 'https://sts.example/', accepts: 'json', body: `subject_token=${secret}` } as const;

export const relyingFault: Target = {
  seeds: texts(
    `{"error":"invalid_grant","error_description":"what is ${secret}?"}`,
    '{"error":{"status":"DENIED","message":"no"}}',
    '{"errors":["a","b"]}',
    '{"__type":"X","message":"y"}',
  ),
  run: (input) => {
    const fault = faultOf({ status: 400, headers: {}, body: input.toString('utf8') }, request) ?? '';
    promise(fault.length <= 402, 'no longer than a line');
    promise(!fault.includes(secret), 'without what was sent');
    promise(!/\p{Cc}/u.test(fault), 'fit to be shown');
  },
};
