import { resolve } from 'node:path';
import { defaultSockets } from '../runtime/defaults.ts';
import { environment } from '../runtime/environment.ts';

export interface AdminOptions {
  readonly adminSocket?: string;
}

export interface EndpointOptions {
  readonly socket?: string;
  /** Seconds. */
  readonly timeout: number;
}

/** Absolute path of the admin socket: flag, environment, default. */
export const adminSocketPath = (options: AdminOptions): string =>
  resolve((options.adminSocket ?? environment.adminSocket() ?? defaultSockets.admin).replace(/^unix:(\/\/)?/, ''));

/** Address of the Workload API as the SPIFFE Workload Endpoint specification writes it (section 4). */
export function endpointAddress(options: Pick<EndpointOptions, 'socket'>): string {
  const given = options.socket ?? environment.endpointSocket() ?? defaultSockets.workload;
  return /^[a-z]+:/.test(given) ? given : `unix://${resolve(given).split('/').map(encodeURIComponent).join('/')}`;
}
