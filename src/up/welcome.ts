/** What `mayfly up` says when it is ready: where it listens, and what to type next. */
import type { Config } from '../config.ts';
import { defaultSockets } from '../runtime/defaults.ts';

export interface WelcomeParts {
  readonly trustDomain: string;
  readonly config: Config;
  readonly socket: string;
  readonly adminSocket: string;
  /** A directory above the workloads' socket that other users cannot pass. */
  readonly closed: string | undefined;
  /** May this mayfly look at processes of other users? Without root it may not. */
  readonly seesOthers: boolean;
  /** Somebody who has registered people before needs no lesson. */
  readonly people: number;
}

export function welcome({
  trustDomain,
  config,
  socket,
  adminSocket,
  closed,
  seesOthers,
  people,
}: WelcomeParts): string {
  const status =
    config.http === undefined ? [] : [`  health, metrics      http://${config.http.host}:${config.http.port}`];
  const lines = [
    `mayfly is ready for ${trustDomain}`,
    `  workloads connect to unix://${socket}`,
    `  operators connect to ${adminSocket}`,
    ...status,
    ...(closed === undefined ? [] : [`Note: other users cannot reach that socket. To let them: chmod o+x ${closed}`]),
    ...(seesOthers ? [] : ['Note: only root may look at processes of other users: those get no identity from here.']),
    ...(people > 0 ? [] : ['Next, in another terminal:', ...exports(socket, adminSocket), ...steps(trustDomain)]),
  ];
  return `${lines.join('\n')}\n`;
}

const exports = (socket: string, adminSocket: string): string[] => [
  ...(adminSocket === defaultSockets.admin ? [] : [`  export MAYFLY_ADMIN_SOCKET=${adminSocket}`]),
  ...(socket === defaultSockets.workload ? [] : [`  export SPIFFE_ENDPOINT_SOCKET=unix://${socket}`]),
];

const steps = (trustDomain: string): string[] => [
  '  mayfly person add ada --name "Ada Byron"',
  `  mayfly entry create --spiffe-id spiffe://${trustDomain}/web --selector unix:uid:$(id -u) --owner ada`,
  '  mayfly fetch x509',
];
