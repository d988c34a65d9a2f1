/** Google's own library, with its defaults: everything it needs is in GOOGLE_APPLICATION_CREDENTIALS. */
import { GoogleAuth } from 'google-auth-library';

const auth = new GoogleAuth({ scopes: 'https://www.googleapis.com/auth/cloud-platform' });
const client = await auth.getClient();
const { token } = await client.getAccessToken();
process.stdout.write(`${JSON.stringify({ token })}\n`);
