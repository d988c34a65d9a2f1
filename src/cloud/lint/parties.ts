/** What each relying party demands, as its documentation says or as runs of it have shown. */
export interface Party {
  readonly name: string;
  readonly algorithms: readonly string[];
  /** It comes from the internet, and believes public authorities only. */
  readonly fromInternet: boolean;
  /** Of `sub`, in bytes. */
  readonly longestSub: number;
  /** Of a token, in seconds. */
  readonly longestLife?: number;
  /** Its SDK keeps what it read of a token file: less than that is too little. */
  readonly shortestLife?: number;
  readonly longestToken: number;
  /** What `aud` must be, where that is known. */
  readonly audience?: RegExp;
  /** An `aud` to try, where nobody names another. */
  readonly sample: string;
  /** It looks at the first key of the set and at nothing but its certificate. */
  readonly firstCertificate?: boolean;
  /** It takes X.509-SVIDs and no tokens; the subject's common name matters then. */
  readonly byCertificate?: boolean;
}

const es = ['ES256', 'ES384', 'ES512'];
const rs = ['RS256', 'RS384', 'RS512'];
const ps = ['PS256', 'PS384', 'PS512'];
const cloud = { fromInternet: true, longestSub: 255, longestToken: 20_000, sample: 'sts.amazonaws.com' };
const provider = 'projects/1/locations/global/workloadIdentityPools/sample/providers/sample';
const day = 86_400;

const parties: readonly Party[] = [
  { ...cloud, name: 'aws', algorithms: [...es, ...rs] },
  {
    ...{ ...cloud, name: 'gcp', algorithms: ['ES256', 'RS256'], longestSub: 127, longestLife: day },
    audience: /^.{1,256}$/s,
    sample: `//iam.googleapis.com/${provider}`,
  },
  {
    ...{ ...cloud, name: 'azure', algorithms: ['RS256'], longestSub: 600, shortestLife: 600 },
    audience: /^api:\/\/AzureADTokenExchange/,
    sample: 'api://AzureADTokenExchange',
  },
  { ...cloud, name: 'kubernetes', sample: 'kubernetes', algorithms: ['RS256'], fromInternet: false, longestSub: 1_024 },
  {
    ...cloud,
    name: 'vault',
    sample: 'vault',
    algorithms: [...es, ...rs, ...ps, 'EdDSA'],
    fromInternet: false,
  },
  {
    ...cloud,
    name: 'anthropic',
    sample: 'https://api.anthropic.com',
    algorithms: ['ES256', 'RS256'],
    longestToken: 16_384,
  },
  { ...cloud, name: 'openai', sample: 'https://api.openai.com/v1', algorithms: ['ES256', 'RS256'] },
  { ...cloud, name: 'databricks', sample: 'databricks', algorithms: ['ES256', 'RS256'] },
  { ...cloud, name: 'snowflake', sample: 'snowflakecomputing.com', algorithms: ['RS256'] },
  {
    ...cloud,
    name: 'minio',
    sample: 'minio',
    algorithms: [...es, ...rs],
    fromInternet: false,
    longestToken: 2_048,
  },
  { ...cloud, name: 'rgw', algorithms: [...es, ...rs, ...ps], fromInternet: false, firstCertificate: true },
  { ...cloud, name: 'roles-anywhere', algorithms: [], byCertificate: true },
  { ...cloud, name: 'vault-cert', algorithms: [], fromInternet: false, byCertificate: true },
  { ...cloud, name: 'postgresql', algorithms: [], fromInternet: false, byCertificate: true },
];

export const partyNames: readonly string[] = parties.map(({ name }) => name);

export const partyNamed = (name: string): Party | undefined => parties.find((party) => party.name === name);
