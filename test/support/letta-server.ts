import { type ReceiverAnswer, startReceiver } from './receiver.ts';

type Block = { id: string; label: string; value: string; limit: number; tags?: string[] };

type Message = { readonly role: string; readonly content: unknown; readonly agent: string };
type Call = {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: string;
  readonly last: string;
  readonly agent: string;
};

/** A small server that speaks the wire forms of Letta's API that Gantry uses, as its client 1.12.1 has them. */
export async function startLetta(
  agents: string | readonly string[],
  answer: (path: string) => number | null = () => null,
) {
  const blocks = new Map<string, Block>();
  const attached: string[] = [];
  /** By whom each is attached. */
  const holders = new Map<string, string>();
  const messages: Message[] = [];
  const writes: string[] = [];
  let made = 0;
  const json = (body: unknown, status = 200) => ({
    status,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const blockCalls: Record<string, (call: Call) => ReceiverAnswer> = {
    POST: ({ body }) => {
      made += 1;
      const block = { id: `block-${made}`, ...(JSON.parse(body) as Omit<Block, 'id'>) };
      if (block.value.length > block.limit) return json({ detail: 'exceeds block limit' }, 400);
      blocks.set(block.id, block);
      writes.push(block.value);
      return json(block);
    },
    GET: ({ query }) =>
      json(query.has('after') ? [] : [...blocks.values()].filter(({ label }) => label === query.get('label'))),
    PATCH: ({ body, last }) => {
      const { value } = JSON.parse(body) as { value: string };
      const block = blocks.get(last);
      if (!block) return json({ detail: 'no block' }, 404);
      block.value = value;
      writes.push(value);
      return json(block);
    },
    DELETE: ({ last }) => json({ ok: blocks.delete(last) }),
  };
  const agentCall = ({ path, query, body, last, agent }: Call): ReceiverAnswer => {
    if (path.includes('/blocks/attach/')) {
      attached.push(last);
      holders.set(last, agent);
    }
    if (path.includes('/blocks/detach/')) attached.splice(attached.indexOf(last), 1);
    if (path.endsWith('/blocks'))
      return json(
        query.has('after') ? [] : attached.filter((id) => holders.get(id) === agent).map((id) => blocks.get(id)),
      );
    if (path.endsWith('/messages/async')) {
      const given = (JSON.parse(body) as { messages: Omit<Message, 'agent'>[] }).messages;
      messages.push(...given.map((one) => ({ ...one, agent })));
      return json({ id: 'run-1', status: 'created' });
    }
    if (!path.endsWith('/messages')) return json({ id: agent });
    const own = messages.filter((one) => one.agent === agent);
    return json(own.map((one, i) => ({ id: `message-${i}`, message_type: 'system_message', ...one })));
  };
  const receiver = await startReceiver(({ method, path, body }) => {
    const { pathname, searchParams: query } = new URL(path, 'http://letta');
    const status = answer(`${method} ${pathname}`);
    if (status !== null) return json({ detail: 'not now' }, status);
    const [, kind, id] = pathname.split('/').filter((part) => part !== '');
    const call = { path: pathname, query, body, last: pathname.split('/').at(-1) ?? '', agent: id ?? '' };
    if (kind === 'runs') return json([]);
    if (kind === 'blocks') return blockCalls[method]?.(call) ?? json({ detail: 'no method' }, 405);
    return kind === 'agents' && [agents].flat().includes(id ?? '')
      ? agentCall(call)
      : json({ detail: 'no agent' }, 404);
  });
  return { ...receiver, blocks, attached, holders, messages, writes };
}
