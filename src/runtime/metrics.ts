import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** What a running mayfly counts. Names follow Prometheus: unit last, `_total` for what only grows. */
export interface Metrics {
  /** Credentials that left, by type. */
  readonly issued: Counter<'type'>;
  /** Callers that were owed nothing, by reason. */
  readonly refused: Counter<'reason'>;
  /** A number that is asked for when somebody looks. */
  gauge(name: string, help: string, value: () => number): void;
  /** Prometheus text. */
  print(): Promise<string>;
}

export function createMetrics(): Metrics {
  const registers = [new Registry()];
  const [registry] = registers as [Registry];
  collectDefaultMetrics({ register: registry });
  return {
    issued: new Counter({ name: 'mayfly_svids_issued_total', help: 'SVIDs issued', labelNames: ['type'], registers }),
    refused: new Counter({ name: 'mayfly_refusals_total', help: 'Callers refused', labelNames: ['reason'], registers }),
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
