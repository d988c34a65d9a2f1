import { describe, expect, it } from 'vitest';
import {
  checkDuration,
  checkSessionPrefix,
  parseRegion,
  parseRole,
  processDocument,
  regionFor,
  serviceUrl,
  sessionName,
} from './aws.ts';

describe('a role', () => {
  it.each([
    ['arn:aws:iam::123456789012:role/deploy', 'aws', '123456789012', 'deploy'],
    ['arn:aws-us-gov:iam::123456789012:role/a/b/c.d+e=f,g@h-i', 'aws-us-gov', '123456789012', 'c.d+e=f,g@h-i'],
    ['arn:aws:iam:::role/R', 'aws', '', 'R'],
    ['arn:aws:iam::tenant$1:role/R', 'aws', 'tenant$1', 'R'],
  ])('%s is read', (arn, partition, account, name) => {
    expect(parseRole(arn)).toEqual({ arn, partition, account, name });
  });

  it.each([
    '',
    'deploy',
    'arn:aws:iam::123456789012:user/ada',
    'arn:aws:iam::1:role/',
    'arn:aws:iam::1:role/a b',
    'arn:gcp:iam::1:role/a',
  ])('%j is none', (arn) => {
    expect(() => parseRole(arn)).toThrow('is not the ARN of a role');
  });
});

describe('where to ask', () => {
  const role = (partition: string) => parseRole(`arn:${partition}:iam::1:role/r`);

  it.each([
    ['aws', undefined, 'https://sts.us-east-1.amazonaws.com'],
    ['aws', 'eu-central-1', 'https://sts.eu-central-1.amazonaws.com'],
    ['aws-cn', undefined, 'https://sts.cn-north-1.amazonaws.com.cn'],
    ['aws-us-gov', 'us-gov-east-1', 'https://sts.us-gov-east-1.amazonaws.com'],
  ])('is by partition and region: %s, %s', (partition, region, url) => {
    expect(serviceUrl('sts', role(partition), regionFor(role(partition), region))).toBe(url);
  });

  it('is not guessed for a partition that is not known', () => {
    expect(() => serviceUrl('sts', role('aws-iso'), 'us-iso-east-1')).toThrow('name the endpoint');
  });

  it.each(['eu', 'eu-central-1.evil.example', 'EU-CENTRAL-1', '../x-y-1'])(
    'has no region %j: it would be part of a host name',
    (region) => {
      expect(() => parseRegion(region)).toThrow('is not a region');
    },
  );
});

describe('a session', () => {
  it('ends its name with the number of our record, within 64 characters', () => {
    const exchange = '0e2d3c55-7c1a-4f0e-9d6b-4b1f3f7f9d21';
    expect(sessionName(checkSessionPrefix('a'.repeat(27)), exchange)).toHaveLength(64);
    for (const wrong of ['', 'a'.repeat(28), 'a b', 'a/b'])
      expect(() => checkSessionPrefix(wrong)).toThrow('cannot begin');
  });

  it.each([899, 43_201])('does not last %d seconds', (seconds) => {
    expect(() => checkDuration(seconds)).toThrow('from 15m to 12h');
  });

  const session = {
    accessKeyId: 'A',
    secretAccessKey: 'S',
    sessionToken: 'T',
    expiresAt: Date.parse('2026-11-26T12:00:00.999Z'),
  };

  it('is told to programs in AWS’s format, version 1', () => {
    const principal = 'arn:aws:sts::123456789012:assumed-role/deploy/x';
    expect(processDocument({ ...session, principal })).toEqual({
      ...{ Version: 1, AccessKeyId: 'A', SecretAccessKey: 'S', SessionToken: 'T' },
      ...{ Expiration: '2026-11-26T12:00:00Z', AccountId: '123456789012' },
    });
  });

  it('has no account where its principal has none', () => {
    const document = processDocument({ ...session, principal: 'arn:aws:sts:::assumed-role/R/x' });
    expect(JSON.parse(JSON.stringify(document))).not.toHaveProperty('AccountId');
  });
});
