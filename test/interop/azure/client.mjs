/** Azure's own client: a token for a resource. Everything but the place of the authority is in the environment. */
import { WorkloadIdentityCredential } from '@azure/identity';

const credential = new WorkloadIdentityCredential({ disableInstanceDiscovery: true });
const { token, expiresOnTimestamp } = await credential.getToken('https://vault.azure.net/.default');
process.stdout.write(`${JSON.stringify({ token, expiresOnTimestamp })}\n`);
