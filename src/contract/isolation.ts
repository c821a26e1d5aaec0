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

/** What isolated agents get beside their workspace and their own program. */
export const WallSettings = z.strictObject({
  /** Places on the network: `host:port`, `host` (port 443) or `*.host`; a port of this machine as `127.0.0.1:port`. */
  reach: z
    .array(z.string().refine((text) => parseEndpoint(text) !== null, 'expected host, host:port or *.host'))
    .max(200)
    .optional(),
  /** Files and directories that they may read, absolute. */
  readable: z.array(z.string().startsWith('/', 'expected an absolute path')).max(200).optional(),
});

/** Of isolation `container`. */
export const ContainerSettings = z.strictObject({
  engine: z.enum(['podman', 'docker']).optional(),
  /** What agents find as their system; nothing is ever pulled for a task. */
  image: z.string().min(1).optional(),
  /** Bytes. */
  memory: z.number().int().positive().optional(),
  cpus: z.number().positive().optional(),
  processes: z.number().int().positive().optional(),
});
