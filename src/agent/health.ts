/** gRPC's health service: SERVING while the endpoint does. Asked for without the security header by generic clients. */
import { IdentityError } from '../errors.ts';
import {
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus,
  type HealthService,
} from '../gen/grpc/health/v1/health.ts';
import type { Call, Handlers } from '../runtime/grpc-server.ts';
import { Wake } from '../runtime/watch.ts';

export function health<Peer>(services: readonly string[]): Handlers<typeof HealthService, Peer> {
  const known = new Set(['', ...services]);
  const serving = { status: HealthCheckResponse_ServingStatus.SERVING };
  return {
    check: ({ service }): HealthCheckResponse => {
      if (known.has(service)) return serving;
      throw new IdentityError('not-found', 'no such service');
    },
    watch: async function* ({ service }, call: Call<Peer>) {
      yield known.has(service) ? serving : { status: HealthCheckResponse_ServingStatus.SERVICE_UNKNOWN };
      await new Wake().wait(call.signal);
    },
  };
}
