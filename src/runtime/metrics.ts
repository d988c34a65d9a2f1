import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** What a running mayfly counts. Names follow Prometheus: unit last, `_total` for what only grows. */
export interface Metrics {
  /** Credentials that left, by type. */
  readonly issued: Counter<'type'>;
  /** Callers that were owed nothing, by reason. */
  readonly refused: Counter<'reason'>;
  /** Connections that were turned away when they came, by the limit that was met. */
  readonly connectionsRefused: Counter<'reason'>;
  /** Connections that were ended because of what was done on them, or not done. */
  readonly connectionsCut: Counter<'reason'>;
  /** Calls that were turned away, by the limit that was met. */
  readonly callsRefused: Counter<'reason'>;
  /** Looks at the bundle endpoints of others, by what came of it. */
  readonly polled: Counter<'trust_domain' | 'outcome'>;
  /** Our bundle put where others fetch it, by what came of it. */
  readonly published: Counter<'publisher' | 'outcome'>;
  /** Questions for discovery and keys of the issuer, by status of the answer. */
  readonly issuerAsked: Counter<'status'>;
  /** A number that is asked for when somebody looks. */
  gauge(name: string, help: string, value: () => number): void;
  /** Prometheus text. */
  print(): Promise<string>;
}

/** How late the event loop is, is found by waking it: a hundred times a second, unless told otherwise. */
const loopLookMs = 100;

export function createMetrics(): Metrics {
  const registers = [new Registry()];
  const [registry] = registers as [Registry];
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: loopLookMs });
  const counter = <Label extends string>(name: string, help: string, label: Label): Counter<Label> =>
    new Counter({ name, help, labelNames: [label], registers });
  return {
    issued: counter('mayfly_svids_issued_total', 'SVIDs issued', 'type'),
    refused: counter('mayfly_refusals_total', 'Callers refused', 'reason'),
    connectionsRefused: counter('mayfly_connections_refused_total', 'Connections turned away', 'reason'),
    connectionsCut: counter('mayfly_connections_cut_total', 'Connections ended because of their caller', 'reason'),
    callsRefused: counter('mayfly_calls_refused_total', 'Calls turned away by a limit', 'reason'),
    issuerAsked: counter('mayfly_issuer_requests_total', 'Requests for discovery and keys', 'status'),
    polled: new Counter({
      name: 'mayfly_federation_polls_total',
      help: 'Looks at bundle endpoints of other trust domains',
      labelNames: ['trust_domain', 'outcome'],
      registers,
    }),
    published: new Counter({
      name: 'mayfly_bundle_publications_total',
      help: 'Bundles put where others fetch them',
      labelNames: ['publisher', 'outcome'],
      registers,
    }),
    gauge: (name, help, value) => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    },
    print: () => registry.metrics(),
  };
}
