/** The extensions that decide something (RFC 5280 section 4.2), each read to the last byte. */
import { checkDer, DerReader, readBoolean, readSmallInteger, tag } from './der.ts';
import { type GeneralName, nameForm, readGeneralName, readGeneralNames } from './general-name.ts';
import { oid, oidText } from './oid.ts';
import { refuseCertificate } from './refusal.ts';

export const keyUsageBits = [
  'digitalSignature',
  'contentCommitment',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;
export type KeyUsageBit = (typeof keyUsageBits)[number];

export interface NameConstraints {
  /** Undefined: everything is permitted, as far as this list goes. */
  readonly permitted: readonly GeneralName[] | undefined;
  readonly excluded: readonly GeneralName[];
}

export interface Extensions {
  readonly hasBasicConstraints: boolean;
  readonly basicConstraintsCritical: boolean;
  readonly isCa: boolean;
  readonly pathLength: number | undefined;
  readonly keyUsage: ReadonlySet<KeyUsageBit> | undefined;
  readonly keyUsageCritical: boolean;
  /** Dotted object identifiers. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly subjectAltNames: readonly GeneralName[];
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  readonly sanCritical: boolean;
  readonly subjectKeyId: Buffer | undefined;
  readonly authorityKeyId: Buffer | undefined;
  readonly nameConstraints: NameConstraints | undefined;
  /** Critical extensions that nothing here understands: whoever trusts the certificate must not. */
  readonly unknownCritical: readonly string[];
}

interface Extension {
  readonly critical: boolean;
  readonly value: Buffer;
}

const limits = { bytes: 64 * 1024, depth: 8, elements: 2048 };

/** `list` is the content of Extensions; undefined where a certificate has none. */
export function readExtensions(list: DerReader | undefined): Extensions {
  const found = list === undefined ? new Map<string, Extension>() : collect(list);
  const names = parsed(found, oid.subjectAltName, readGeneralNames) ?? [];
  const basic = parsed(found, oid.basicConstraints, readBasicConstraints);
  return {
    hasBasicConstraints: basic !== undefined,
    basicConstraintsCritical: isCritical(found, oid.basicConstraints),
    isCa: basic?.isCa ?? false,
    pathLength: basic?.pathLength,
    keyUsage: parsed(found, oid.keyUsage, readKeyUsage),
    keyUsageCritical: isCritical(found, oid.keyUsage),
    extendedKeyUsage: parsed(found, oid.extendedKeyUsage, readExtendedKeyUsage),
    subjectAltNames: names,
    uris: textsOf(names, nameForm.uri),
    dnsNames: textsOf(names, nameForm.dnsName),
    sanCritical: isCritical(found, oid.subjectAltName),
    subjectKeyId: parsed(found, oid.subjectKeyIdentifier, readSubjectKeyId),
    authorityKeyId: parsed(found, oid.authorityKeyIdentifier, readAuthorityKeyId),
    nameConstraints: parsed(found, oid.nameConstraints, readNameConstraints),
    unknownCritical: [...found].filter(([id, { critical }]) => critical && !understood.has(id)).map(([id]) => id),
  };
}

const understood: ReadonlySet<string> = new Set([
  oid.basicConstraints,
  oid.keyUsage,
  oid.extendedKeyUsage,
  oid.subjectAltName,
  oid.subjectKeyIdentifier,
  oid.authorityKeyIdentifier,
  oid.nameConstraints,
]);

/** Sections 4.2.1.1 and 4.2.1.2: they help to find a certificate, and nobody has to understand them. Go refuses them, too. */
const keyIds = [oid.subjectKeyIdentifier, oid.authorityKeyIdentifier];

/** Section 4.2: no extension twice. Two readers would each believe another one of them. */
function collect(list: DerReader): Map<string, Extension> {
  const found = new Map<string, Extension>();
  while (!list.done) {
    const extension = list.enter(tag.sequence);
    const id = oidText(extension.content(tag.oid));
    const critical = extension.tag === tag.boolean && readTrue(extension.content(tag.boolean));
    const value = extension.content(tag.octetString);
    extension.finish();
    if (found.has(id)) throw refuse('an extension is there twice');
    found.set(id, { critical, value });
  }
  if (found.size === 0) throw refuse('its list of extensions is empty');
  if (keyIds.some((id) => isCritical(found, id))) throw refuse('a key identifier is critical');
  return found;
}

function parsed<T>(found: Map<string, Extension>, id: string, read: (value: Buffer) => T): T | undefined {
  const extension = found.get(id);
  if (extension === undefined) return undefined;
  checkDer(extension.value, limits);
  return read(extension.value);
}

const isCritical = (found: Map<string, Extension>, id: string): boolean => found.get(id)?.critical ?? false;

const textsOf = (names: readonly GeneralName[], form: number): readonly string[] =>
  names.filter((name) => name.form === form).map((name) => name.text ?? '');

/** FALSE is the default, and DER leaves defaults out. */
function readTrue(content: Buffer): true {
  if (!readBoolean(content)) throw refuse('a default value is written out');
  return true;
}

function readBasicConstraints(value: Buffer): { isCa: boolean; pathLength: number | undefined } {
  const parts = new DerReader(value).enter(tag.sequence);
  const isCa = parts.tag === tag.boolean && readTrue(parts.content(tag.boolean));
  const pathLength = parts.tag === tag.integer ? readSmallInteger(parts.content(tag.integer)) : undefined;
  parts.finish();
  if (pathLength !== undefined && !isCa) throw refuse('it limits a path and is no CA');
  return { isCa, pathLength };
}

/** A named bit list: bit 0 is the first, and trailing zeros are left out (X.690 section 11.2.2). */
function readKeyUsage(value: Buffer): ReadonlySet<KeyUsageBit> {
  const [unused = 0, ...bytes] = new DerReader(value).content(tag.bitString);
  const last = bytes.at(-1) ?? 0;
  if ((last & (1 << unused)) === 0) throw refuse('its key usage is empty or has trailing zeros');
  const set = keyUsageBits.filter((_, bit) => ((bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0);
  if (bytes.length * 8 - unused > keyUsageBits.length) throw refuse('its key usage has unknown bits');
  return new Set(set);
}

function readExtendedKeyUsage(value: Buffer): readonly string[] {
  const list = new DerReader(value).enter(tag.sequence);
  const purposes: string[] = [];
  while (!list.done) purposes.push(oidText(list.content(tag.oid)));
  if (purposes.length === 0) throw refuse('its extended key usage is empty');
  return purposes;
}

const readSubjectKeyId = (value: Buffer): Buffer => new DerReader(value).content(tag.octetString);

/** The other ways to name an issuer, by its names and serial, are read over: the signature decides. */
function readAuthorityKeyId(value: Buffer): Buffer | undefined {
  const parts = new DerReader(value).enter(tag.sequence);
  return parts.tag === keyIdentifier ? parts.content(keyIdentifier) : undefined;
}

const keyIdentifier = 0x80;

function readNameConstraints(value: Buffer): NameConstraints {
  const parts = new DerReader(value).enter(tag.sequence);
  const permitted = parts.tag === permittedSubtrees ? readSubtrees(parts.enter(permittedSubtrees)) : undefined;
  const excluded = parts.tag === excludedSubtrees ? readSubtrees(parts.enter(excludedSubtrees)) : [];
  parts.finish();
  if (permitted === undefined && excluded.length === 0) throw refuse('its name constraints are empty');
  return { permitted, excluded };
}

const permittedSubtrees = 0xa0;
const excludedSubtrees = 0xa1;

/** Section 4.2.1.10: minimum is always 0 and thus left out, maximum is absent. */
function readSubtrees(list: DerReader): readonly GeneralName[] {
  const bases: GeneralName[] = [];
  while (!list.done) {
    const subtree = list.enter(tag.sequence);
    bases.push(readGeneralName(subtree, 'constraint'));
    subtree.finish();
  }
  if (bases.length === 0) throw refuse('its name constraints are empty');
  return bases;
}

const refuse = (detail: string) => refuseCertificate('certificate-extension', detail);
