import { IdentityError } from '../errors.ts';
import { faultOfText } from '../spiffe/text.ts';

/** Somebody answerable for entries. Disabled, nothing they own is issued any more. */
export interface Person {
  /** Short and typed by hand, as in `--owner ada`. */
  readonly id: string;
  readonly name: string;
  /** '' when not known. */
  readonly email: string;
  readonly enabled: boolean;
  readonly createdAt: number;
}

export interface PersonDraft {
  readonly id: string;
  readonly name: string;
  readonly email?: string;
}

/** One case only, so that `Ada` and `ada` are not two people; characters that need no quoting in a shell. */
const idShape = /^[a-z0-9][a-z0-9._@-]{0,63}$/;
const longestName = 256;
/** RFC 5321 section 4.5.3.1.3, without the angle brackets. */
const longestEmail = 254;

export function checkPerson(draft: PersonDraft): Required<PersonDraft> {
  const { id, name, email = '' } = draft;
  if (!idShape.test(id)) {
    throw refusal('id', "is 1 to 64 of a-z 0-9 . _ @ - and starts with a letter or a digit, for example 'ada'");
  }
  if (name.trim() === '') throw refusal('name', 'is missing; say who it is: --name "Ada Byron"');
  checkText('name', name, longestName);
  checkText('email', email, longestEmail);
  if (email !== '' && !/^[^\s@]+@[^\s@]+$/.test(email)) throw refusal('email', 'looks like ada@example.org');
  return { id, name, email };
}

function checkText(field: string, text: string, longestBytes: number): void {
  const fault = faultOfText(text, longestBytes);
  if (fault !== undefined) throw refusal(field, fault);
}

const refusal = (field: string, rule: string): IdentityError =>
  new IdentityError('invalid-argument', `the person's ${field} ${rule}`, { reason: `person-${field}` });
