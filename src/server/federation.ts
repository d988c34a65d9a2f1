/** Foreign trust domains over the admin API: relationships, and the bundles that they bring. */
import { IdentityError } from '../errors.ts';
import type * as wire from '../gen/mayfly/admin/v1/admin.ts';
import type { ForeignBundle, ForeignTrust, Relationship, RelationshipDraft } from '../registry/registry.ts';
import { formatBundle, formatPlainJwks } from '../spiffe/bundle.ts';
import { type AdminHandlers, actor } from './admin.ts';

/** Whoever asks the bundle endpoints. */
export interface Polling {
  state(trustDomain: string): PollState | undefined;
  /** Rejects with what was wrong. */
  refresh(trustDomain: string): Promise<void>;
}

interface PollState {
  readonly nextPollAt: number | undefined;
  readonly fetchedAt: number | undefined;
  readonly failures: number;
  readonly lastError: string | undefined;
}

/** Whoever puts our bundle where others fetch it. */
export interface Publishing {
  publish(): Promise<readonly { readonly publisher: string; readonly problem: string | undefined }[]>;
}

export const publishMethods = (publishing: Publishing): Pick<AdminHandlers, 'publishBundle'> => ({
  publishBundle: async () => {
    const published = await publishing.publish();
    return { published: published.map(({ publisher, problem = '' }) => ({ publisher, problem })) };
  },
});

type FederationMethods = `${'create' | 'get' | 'update' | 'delete' | 'refresh'}Federation` | 'listFederations';
type BundleMethods = `${'set' | 'get' | 'delete'}ForeignBundle` | 'listForeignBundles';

export const federationMethods = (
  foreign: ForeignTrust,
  polling: Polling,
): Pick<AdminHandlers, FederationMethods | BundleMethods> => {
  const shown = (relationship: Relationship): wire.Federation =>
    federationToWire(relationship, foreign.bundle(relationship.trustDomain), polling.state(relationship.trustDomain));
  return {
    createFederation: async ({ federation, bundle }, call) =>
      shown(await foreign.create(draftOf(given(federation)), bundle === '' ? undefined : bundle, actor(call))),
    listFederations: async function* () {
      for (const relationship of foreign.relationships()) yield shown(relationship);
    },
    getFederation: ({ trustDomain }) => shown(foreign.relationship(trustDomain)),
    updateFederation: async ({ federation, fields }, call) => {
      const changed = given(federation);
      return shown(await foreign.update(changed.trustDomain, patchOf(changed, fields), actor(call)));
    },
    deleteFederation: async ({ trustDomain }, call) =>
      federationToWire(await foreign.delete(trustDomain, actor(call)), undefined, undefined),
    refreshFederation: async ({ trustDomain }) => {
      await polling.refresh(trustDomain);
      return shown(foreign.relationship(trustDomain));
    },

    setForeignBundle: async ({ trustDomain, bundle }, call) =>
      bundleToWire(await foreign.setBundle(trustDomain, bundle, actor(call))),
    listForeignBundles: async function* () {
      for (const bundle of foreign.bundles()) yield bundleToWire(bundle);
    },
    getForeignBundle: ({ trustDomain }) => bundleToWire(existing(foreign, trustDomain)),
    deleteForeignBundle: async ({ trustDomain }, call) =>
      bundleToWire(await foreign.deleteBundle(trustDomain, actor(call))),
  };
};

function given(federation: wire.Federation | undefined): wire.Federation {
  if (federation === undefined) throw new IdentityError('invalid-argument', 'the federation is missing');
  return federation;
}

function existing(foreign: ForeignTrust, trustDomain: string): ForeignBundle {
  const found = foreign.bundles().find(({ bundle }) => bundle.trustDomain === trustDomain);
  if (found !== undefined) return found;
  const message = `there is no bundle of ${JSON.stringify(trustDomain.slice(0, 255))}; see what exists: mayfly bundle list`;
  throw new IdentityError('not-found', message);
}

const draftOf = (federation: wire.Federation): RelationshipDraft => ({
  trustDomain: federation.trustDomain,
  endpointUrl: federation.endpointUrl,
  profile: federation.profile,
  endpointSpiffeId: federation.endpointSpiffeId,
  roots: federation.roots,
  privateAddresses: federation.privateAddresses,
});

/** Fields that an update may name, as they are called on the wire. */
const fieldNames: Readonly<Record<string, keyof RelationshipDraft>> = {
  endpoint_url: 'endpointUrl',
  profile: 'profile',
  endpoint_spiffe_id: 'endpointSpiffeId',
  roots: 'roots',
  private_addresses: 'privateAddresses',
};

function patchOf(federation: wire.Federation, fields: readonly string[]): Partial<RelationshipDraft> {
  const draft = draftOf(federation);
  if (fields.length === 0) throw new IdentityError('invalid-argument', 'name at least one field to update');
  return Object.fromEntries(
    fields.map((field) => {
      const name = Object.hasOwn(fieldNames, field) ? fieldNames[field] : undefined;
      if (name === undefined) throw new IdentityError('invalid-argument', `${field} is not a field to update`);
      return [name, draft[name]];
    }),
  );
}

const federationToWire = (
  relationship: Relationship,
  bundle: ForeignBundle | undefined,
  state: PollState | undefined,
): wire.Federation => ({
  trustDomain: relationship.trustDomain,
  endpointUrl: relationship.endpointUrl,
  profile: relationship.profile,
  endpointSpiffeId: relationship.endpointSpiffeId ?? '',
  roots: relationship.roots,
  privateAddresses: relationship.privateAddresses,
  createdAt: new Date(relationship.createdAt),
  bundle: bundle && bundleToWire(bundle),
  fetchedAt: dateOf(state?.fetchedAt),
  nextPollAt: dateOf(state?.nextPollAt),
  failures: state?.failures ?? 0,
  lastError: state?.lastError ?? '',
});

const bundleToWire = ({ bundle, source, storedAt }: ForeignBundle): wire.ForeignBundle => ({
  trustDomain: bundle.trustDomain,
  x509Authorities: [...bundle.x509Authorities],
  jwks: formatPlainJwks(bundle.jwtAuthorities),
  spiffe: formatBundle(bundle),
  sequence: bundle.sequence?.toString() ?? '',
  source,
  storedAt: new Date(storedAt),
  jwtAuthorities: bundle.jwtAuthorities.length,
});

const dateOf = (at: number | undefined): Date | undefined => (at === undefined ? undefined : new Date(at));
