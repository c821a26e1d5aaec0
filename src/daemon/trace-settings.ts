import type { TraceSettings } from '../bridges/traces/traces.ts';
import { type Environment, variable } from './environment.ts';

/** The usual variables of OpenTelemetry beside the address: https://opentelemetry.io/docs/specs/otel/protocol/exporter/ */
export function traceSettings(endpoint: string, environment: Environment): TraceSettings {
  const pairs = (variable(environment, 'OTEL_EXPORTER_OTLP_HEADERS') ?? '').split(',').flatMap((pair) => {
    const [name = '', ...value] = pair.split('=');
    return name.trim() === '' || value.length === 0 ? [] : [[name.trim(), decoded(value.join('=').trim())] as const];
  });
  const protocol = variable(environment, 'OTEL_EXPORTER_OTLP_PROTOCOL');
  return {
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    headers: Object.fromEntries(pairs),
    serviceName: variable(environment, 'OTEL_SERVICE_NAME') ?? 'gantry',
    problem:
      protocol === undefined || protocol.startsWith('http/')
        ? null
        : `OTEL_EXPORTER_OTLP_PROTOCOL is ${protocol}: spans are sent as http/json only`,
  };
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return value;
  }
}
