import { z } from 'zod';

/**
 * What stands between an agent program and the machine, weakest first: nothing but its own permissions (`process`), a
 * sandbox of this system (`sandbox`), a container (`container`).
 */
export const Isolation = z.enum(['process', 'sandbox', 'container']);
export type Isolation = z.infer<typeof Isolation>;

/** The strongest that anybody asks for: nobody makes another's walls lower. */
export const strongest = (asked: readonly (Isolation | null | undefined)[]): Isolation =>
  Isolation.options.findLast((mode) => asked.includes(mode)) ?? 'process';

/** A place on the network. */
export type Endpoint = { readonly host: string; readonly port: number };

const HTTPS = 443;

/** `host`, `*.host`, `host:port` or `[v6]:port`; null for anything else. Without a port it is that of https. */
export function parseEndpoint(text: string): Endpoint | null {
  const [, bracketed, plain, digits] = /^(?:\[([\da-f:.]+)\]|((?:\*\.)?[\w.-]+))(?::(\d{1,5}))?$/i.exec(text) ?? [];
  const host = (bracketed ?? plain ?? '').toLowerCase();
  const port = digits === undefined ? HTTPS : Number(digits);
  return host === '' || port < 1 || port > 65_535 ? null : { host, port };
}
