import { describe, expect, it } from 'vitest';
import { IdentityError } from '../errors.ts';
import { CommandError, failureDocument, failureOf, formatFailure, RemoteFault } from './failure.ts';

describe('a failure', () => {
  it('that is expected takes code, advice and exit code from the table', () => {
    const failure = failureOf(new IdentityError('not-found', 'there is no person bob'));
    expect(failure).toMatchObject({ code: 'not-found', exit: 4 });
    expect(formatFailure(failure)).toBe(
      'error: there is no person bob\n  Check the name; the matching `list` command shows what exists.\n',
    );
  });

  it('that knows its next step says that instead', () => {
    const failure = failureOf(new CommandError('unavailable', 'nobody listens', 'Start it.'));
    expect(JSON.parse(failureDocument(failure))).toEqual({
      error: { code: 'unavailable', message: 'nobody listens', advice: 'Start it.' },
    });
  });

  it('of the server keeps the incident that the server named, and has no trace', () => {
    const failure = failureOf(new RemoteFault('internal error, incident 4f1c'));
    expect(failure).toMatchObject({ code: 'internal', message: 'internal error, incident 4f1c', exit: 1 });
    expect(failure.trace).toBeUndefined();
  });

  it('that is our defect has an incident id, a trace for people and none for programs', () => {
    const failure = failureOf(new TypeError('x is undefined'));
    expect(failure.message).toMatch(/^internal error, incident [0-9a-f-]{36}$/);
    expect(failure.exit).toBe(1);
    expect(formatFailure(failure)).toContain('failure.test.ts');
    expect(failureDocument(failure)).not.toContain('failure.test.ts');
  });
});
