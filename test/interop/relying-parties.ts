/** Clouds and databases outside SPIFFE, as far as their own code runs here, and their own clients against the rest. */
import { check } from './checks.ts';
import { type Clouds, startClouds } from './clouds/stage.ts';
import { apache } from './with-apache.ts';
import { azure } from './with-azure.ts';
import { google } from './with-google.ts';
import { kubernetes } from './with-kubernetes.ts';
import { oauth } from './with-oauth.ts';
import { postgres } from './with-postgres.ts';

export async function relyingParties(): Promise<void> {
  let opened: Clouds | undefined;
  await check('an issuer that relying parties reach over TLS starts', async () => {
    opened = await startClouds();
  });
  if (opened === undefined) return;
  await using clouds = opened;
  await google(clouds);
  await azure(clouds);
  await oauth(clouds);
  await kubernetes(clouds);
  await postgres(clouds);
  await apache(clouds);
}
