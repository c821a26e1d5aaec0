import type { OutputOf, ParsedInputOf } from '../contract/api.ts';
import type { Caller } from '../contract/caller.ts';
import type { TokenInfo } from '../contract/shapes.ts';

/** What a valid token stands for. */
export type Verified = {
  readonly caller: Caller;
  readonly tokenId: string;
  /** The token's. */
  readonly name: string;
  /** The only source_app that it reports events for; null or absent = any. */
  readonly sourceApp?: string | null;
  /** ms; null = does not expire. */
  readonly expiresAt: number | null;
};

/** Tokens and login links. Secrets are kept hashed and compared in constant time. */
export type Access = {
  /** Null for a token that is unknown, expired or revoked. A browser's session secret is such a token too. */
  readonly verify: (token: string) => Verified | null;
  readonly create: (input: ParsedInputOf<'tokens.create'>) => OutputOf<'tokens.create'>;
  readonly list: () => TokenInfo[];
  /** @throws AppError not_found */
  readonly revoke: (id: string) => TokenInfo;
  /** A code that logs one browser in, once. */
  readonly createLogin: () => { readonly code: string; readonly expiresAt: number };
  /** The secret of a new browser session; null for a code that is unknown, used or expired. */
  readonly redeemLogin: (code: string) => { readonly secret: string; readonly expiresAt: number } | null;
};
