/**
 * The relying parties alone.
 *
 *   node test/interop/clouds/run.ts
 */
import { conclude } from '../checks.ts';
import { relyingParties } from '../relying-parties.ts';

await relyingParties();
process.exit(conclude());
