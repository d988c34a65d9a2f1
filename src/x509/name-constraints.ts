/**
 * Name constraints (RFC 5280 section 4.2.1.10), by our own code: those of the libraries have let trust domains mix
 * (R-X509-1). URIs and DNS names are compared; a constraint on any other form refuses every name of that form.
 */
import type { Certificate } from './certificate.ts';
import { type GeneralName, nameForm } from './general-name.ts';

export type NamesOf = Pick<Certificate, 'subjectEmpty' | 'subjectAltNames'>;

/** Whether every name of a certificate lies inside what `ca`, somewhere above it, allows. */
export function namesAllowed(certificate: NamesOf, ca: Pick<Certificate, 'nameConstraints'>): boolean {
  const { nameConstraints } = ca;
  if (nameConstraints === undefined) return true;
  const { permitted, excluded } = nameConstraints;
  return namesOf(certificate).every((name) => {
    const allowing = permitted?.filter((base) => base.form === name.form) ?? [];
    const forbidding = excluded.filter((base) => base.form === name.form);
    if (allowing.length === 0 && forbidding.length === 0) return true;
    const host = hostOf(name);
    if (host === undefined) return false;
    const inside = (base: GeneralName): boolean => within(host, name.form, base);
    // A constraint without a host says nothing that a URI could be inside of; excluded, it may have meant all of them.
    return (
      (allowing.length === 0 || allowing.some(inside)) && !forbidding.some((base) => base.text === '' || inside(base))
    );
  });
}

/** A subject counts as a directory name. */
const namesOf = (certificate: NamesOf): readonly GeneralName[] =>
  certificate.subjectEmpty
    ? certificate.subjectAltNames
    : [...certificate.subjectAltNames, { form: nameForm.directoryName, text: undefined }];

function within(host: string, form: number, base: GeneralName): boolean {
  const constraint = (base.text ?? '').toLowerCase();
  // Of a DNS name, every name below is inside; of a URI's host only with a dot in front, and then not the host itself.
  if (form === nameForm.dnsName) return constraint === '' || host === constraint || host.endsWith(`.${constraint}`);
  return constraint.startsWith('.') ? host.endsWith(constraint) && host !== constraint : host === constraint;
}

/** What is compared; undefined for a name that cannot be compared and is therefore refused. */
function hostOf(name: GeneralName): string | undefined {
  if (name.form === nameForm.dnsName) return name.text?.toLowerCase();
  if (name.form !== nameForm.uri) return undefined;
  const authority = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*)/.exec(name.text ?? '')?.[1];
  const host = authority
    ?.slice(authority.lastIndexOf('@') + 1)
    .replace(/:\d*$/, '')
    .toLowerCase();
  // A URI whose host is missing or is an address has to be refused under any constraint.
  return host === undefined || host === '' || /[[\]:%]/.test(host) || /^[\d.]+$/.test(host) ? undefined : host;
}
