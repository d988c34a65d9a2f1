/** Audiences outside SPIFFE over the admin API. */
import { IdentityError } from '../errors.ts';
import type * as wire from '../gen/mayfly/admin/v1/admin.ts';
import type { Audiences, KnownAudience } from '../registry/registry.ts';
import type { AudienceDraft } from '../spiffe/audience.ts';
import { type AdminHandlers, actor } from './admin.ts';

type AudienceMethods = 'listAudiences' | 'getAudience' | 'setAudience' | 'deleteAudience';

export const audienceMethods = (audiences: Audiences): Pick<AdminHandlers, AudienceMethods> => ({
  listAudiences: () => ({ audiences: audiences.list().map(toWire) }),
  getAudience: ({ name }) => toWire(audiences.audience(name)),
  setAudience: async ({ audience, fields }, call) => {
    if (audience === undefined) throw new IdentityError('invalid-argument', 'the audience is missing');
    return toWire(await audiences.set(merged(audience, fields, audiences), actor(call)));
  },
  deleteAudience: async ({ name }, call) => toWire(await audiences.delete(name, actor(call))),
});

const fieldNames: Readonly<Record<string, keyof AudienceDraft>> = {
  audiences: 'audiences',
  algorithm: 'algorithm',
  ttl: 'ttlSeconds',
  single_use: 'singleUse',
  derived_ttl: 'derivedTtlSeconds',
  claims: 'claims',
};

/** What is named replaces what there is. */
function merged(audience: wire.Audience, fields: readonly string[], audiences: Audiences): AudienceDraft {
  const before = audiences.list().find(({ policy }) => policy.name === audience.name);
  const draft = draftOf(audience);
  if (before === undefined && fields.length === 0) return draft;
  if (fields.length === 0) throw new IdentityError('invalid-argument', 'name at least one field to set');
  const changes = fields.map((field) => {
    const name = Object.hasOwn(fieldNames, field) ? fieldNames[field] : undefined;
    if (name === undefined) throw new IdentityError('invalid-argument', `${field} is not a field of an audience`);
    return [name, draft[name]];
  });
  const base = before === undefined ? draftOf({ ...nothing, name: audience.name }) : draftOf(toWire(before));
  return { ...base, ...Object.fromEntries(changes) };
}

const nothing: wire.Audience = {
  ...{ name: '', audiences: [], algorithm: '', ttl: 0, singleUse: false, derivedTtl: 0, claims: '', source: '' },
};

const draftOf = (audience: wire.Audience): AudienceDraft => ({
  name: audience.name,
  audiences: audience.audiences,
  algorithm: audience.algorithm,
  ttlSeconds: audience.ttl,
  singleUse: audience.singleUse,
  derivedTtlSeconds: audience.derivedTtl,
  claims: audience.claims,
});

const toWire = ({ policy, source }: KnownAudience): wire.Audience => ({
  name: policy.name,
  audiences: [...policy.audiences],
  algorithm: policy.algorithm ?? '',
  ttl: policy.ttlSeconds,
  singleUse: policy.singleUse,
  derivedTtl: policy.derivedTtlSeconds,
  claims: policy.claims === undefined ? '' : JSON.stringify(policy.claims),
  source,
});
