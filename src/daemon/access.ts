import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { Access, Verified } from '../api/access.ts';
import type { Clock } from '../base/clock.ts';
import { newId, newSecret } from '../base/ids.ts';
import type { Caller } from '../contract/caller.ts';
import type { CallerId } from '../contract/delegation.ts';
import { AppError } from '../contract/errors.ts';
import type { AgentAddress } from '../contract/ids.ts';
import { NodeName } from '../contract/node.ts';
import type { Scope, TokenInfo } from '../contract/shapes.ts';
import type { Store } from '../store/store.ts';

type TokenRecord = ReturnType<Store['read']['tokens']['list']>[number];

/** Tokens that stand for the person at this machine: the CLI's and the browsers'. Nobody else can make one of such a name. */
const PERSON = 'person/';
const LOGIN_TTL_MS = 5 * 60_000;
const BROWSER_TTL_MS = 7 * 86_400_000;
/** How exact `lastUsedAt` is: every note is a write. */
const USE_NOTED_EVERY_MS = 5 * 60_000;
const MAX_LOGINS = 100;
const AGENT_KEY = 'agentTokenKey';

const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/** The tokens of a home. Only hashes are stored; a token holds 256 random bits, so that looking up its hash tells nothing. */
export class Tokens implements Access {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logins = new Map<string, number>();
  readonly #noted = new Map<string, number>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  readonly verify = (token: string): Verified | null => {
    const record = this.#store.read.tokens.getByHash(hashOf(token));
    if (!record || !this.#isValid(record)) return null;
    this.#noteUse(record.id);
    const { id, name, sourceApp, expiresAt } = record;
    return { caller: callerOf(record), tokenId: id, name, sourceApp, expiresAt };
  };

  readonly create: Access['create'] = ({ name, scope, ttlMs, callers, sourceApp = null }) => {
    if (name.startsWith(PERSON)) throw new AppError('bad_request', `a token's name may not begin with ${PERSON}`);
    if (scope === 'admin' && callers)
      throw new AppError('bad_request', 'a token of scope admin is bound to no callers');
    if (sourceApp !== null && scope !== 'ingest')
      throw new AppError('bad_request', 'only a token of scope ingest is bound to an app');
    if (scope === 'node' && !NodeName.safeParse(name).success)
      throw new AppError('bad_request', `a token of scope node is named as its node: ${name} is no such name`);
    const bound = { agent: null, callers: callers ?? null, sourceApp };
    return this.#make({ name, scope, ...bound, ttlMs: ttlMs ?? null }, newSecret('gty'));
  };

  /** Those that are still valid. */
  readonly list = (): TokenInfo[] =>
    this.#store.read.tokens
      .list()
      .filter((record) => this.#isValid(record))
      .map(infoOf);

  readonly revoke = (id: string): TokenInfo => infoOf(this.#store.commit((tx) => tx.tokens.revoke(id)));

  readonly createLogin: Access['createLogin'] = () => {
    const now = this.#clock.now();
    for (const [hash, expiresAt] of this.#logins) if (expiresAt <= now) this.#logins.delete(hash);
    if (this.#logins.size >= MAX_LOGINS) throw new AppError('overloaded', `${MAX_LOGINS} login links are open already`);
    const code = newSecret('login');
    const expiresAt = now + LOGIN_TTL_MS;
    this.#logins.set(hashOf(code), expiresAt);
    return { code, expiresAt };
  };

  readonly redeemLogin: Access['redeemLogin'] = (code) => {
    const expiresAt = this.#logins.get(hashOf(code)) ?? 0;
    this.#logins.delete(hashOf(code));
    if (expiresAt <= this.#clock.now()) return null;
    const name = `${PERSON}browser`;
    const { token, info } = this.#make({ name, scope: 'admin', agent: null, ttlMs: BROWSER_TTL_MS }, newSecret('gty'));
    return { secret: token, expiresAt: info.expiresAt ?? 0 };
  };

  /** A new token of the person at this machine, in place of those made before under this name. */
  replacePersonToken(name: string): string {
    const full = `${PERSON}${name}`;
    const old = this.list().filter((token) => token.name === full);
    this.#store.commit((tx) => old.map(({ id }) => tx.tokens.revoke(id)));
    return this.#make({ name: full, scope: 'admin', agent: null, ttlMs: null }, newSecret('gty')).token;
  }

  /**
   * An agent's own token: the same at every call, so that a resumed session's is still good. It may only read: what it
   * reaches beyond that comes by its own channels, and it can never answer an approval. With `under`, another one: it is
   * good for as long as the token of that id.
   */
  forAgent(agent: AgentAddress, under: string | null = null): string {
    const about = under === null ? agent : `${agent} ${under}`;
    const token = `gty_${createHmac('sha256', this.#agentKey()).update(about).digest('base64url')}`;
    if (this.#store.read.tokens.getByHash(hashOf(token))) return token;
    const place = under === null ? '' : ` on ${this.#store.read.tokens.get(under)?.name}`;
    this.#make({ name: `agent/${agent}${place}`, scope: 'read', agent, ttlMs: null, under }, token);
    return token;
  }

  /** An agent's token as one that ends with the token of that id: for where that one's owner runs the agent. */
  readonly lend = (token: string, under: string): string => {
    const agent = this.verify(token)?.caller.agent;
    return agent ? this.forAgent(agent, under) : token;
  };

  #agentKey(): string {
    const known = this.#store.read.meta.get(AGENT_KEY);
    if (known !== null) return known;
    const key = randomBytes(32).toString('base64url');
    this.#store.commit((tx) => tx.meta.set(AGENT_KEY, key));
    return key;
  }

  #make(
    {
      name,
      scope,
      agent,
      callers = null,
      sourceApp = null,
      ttlMs,
      under = null,
    }: {
      name: string;
      scope: Scope;
      agent: AgentAddress | null;
      callers?: CallerId[] | null;
      sourceApp?: string | null;
      ttlMs: number | null;
      under?: string | null;
    },
    token: string,
  ): { readonly token: string; readonly info: TokenInfo } {
    const createdAt = this.#clock.now();
    const info: TokenInfo = {
      id: newId('tok', createdAt),
      name,
      scope,
      agent,
      callers,
      sourceApp,
      createdAt,
      expiresAt: ttlMs === null ? null : createdAt + ttlMs,
      lastUsedAt: null,
    };
    this.#store.commit((tx) => tx.tokens.put({ ...info, hash: hashOf(token), revokedAt: null, under }));
    return { token, info };
  }

  #isValid({ revokedAt, expiresAt, under }: TokenRecord): boolean {
    if (revokedAt !== null || (expiresAt !== null && expiresAt <= this.#clock.now())) return false;
    if (under === null) return true;
    const above = this.#store.read.tokens.get(under);
    return above !== null && this.#isValid(above);
  }

  #noteUse(id: string): void {
    const now = this.#clock.now();
    if (now - (this.#noted.get(id) ?? Number.NEGATIVE_INFINITY) < USE_NOTED_EVERY_MS) return;
    this.#noted.set(id, now);
    try {
      this.#store.commit((tx) => tx.tokens.touch(id));
    } catch (error) {
      // A full disk must not keep anybody from looking at the daemon.
      if (!(error instanceof AppError && (error.code === 'disk_full' || error.code === 'store_locked'))) throw error;
    }
  }
}

function callerOf({ id, name, scope, agent, callers }: TokenRecord): Caller {
  const actor = agent === null ? (name.startsWith(PERSON) ? 'person' : `token:${name}`) : `agent:${agent}`;
  return { actor, scope, agent, tokenId: id, callers };
}

const infoOf = ({
  id,
  name,
  scope,
  agent,
  callers,
  sourceApp,
  createdAt,
  expiresAt,
  lastUsedAt,
}: TokenRecord): TokenInfo => ({
  id,
  name,
  scope,
  agent,
  callers,
  sourceApp,
  createdAt,
  expiresAt,
  lastUsedAt,
});
