import { lookup as resolve } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { AppError } from '../contract/errors.ts';

/** What is not of the public Internet, after IANA's special-purpose registries. */
const RANGES = {
  ipv4: [
    '0.0.0.0/8',
    '10.0.0.0/8',
    '100.64.0.0/10',
    '127.0.0.0/8',
    '169.254.0.0/16',
    '172.16.0.0/12',
    '192.0.0.0/24',
    '192.0.2.0/24',
    '192.88.99.0/24',
    '192.168.0.0/16',
    '198.18.0.0/15',
    '198.51.100.0/24',
    '203.0.113.0/24',
    '224.0.0.0/3',
  ],
  // Only 2000::/3 is given out; of it, what carries an IPv4 address inside is not looked into but refused.
  ipv6: ['::/3', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20', '4000::/2', '8000::/1'],
} as const;
/** One list per family: a list of both would look up 8.8.8.8 as ::ffff:8.8.8.8 too. */
const SPECIAL = { ipv4: listOf('ipv4'), ipv6: listOf('ipv6') };

function listOf(family: keyof typeof RANGES): BlockList {
  const list = new BlockList();
  for (const range of RANGES[family]) {
    const [net = '', bits = ''] = range.split('/');
    list.addSubnet(net, Number(bits), family);
  }
  return list;
}

/** Whether an address is one of the public Internet. */
export function isPublic(address: string): boolean {
  const bare = address.replace(/%.*$/, '');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  const family = isIP(mapped ?? bare);
  const name = family === 4 ? 'ipv4' : 'ipv6';
  return family !== 0 && !SPECIAL[name].check(mapped ?? bare, name);
}

const refused = (host: string, address: string): AppError =>
  new AppError(
    'forbidden',
    `${host} is ${address}, which is not a public address; "allowPrivate": true in the configuration allows it`,
  );

/** @throws AppError forbidden for an address, written in the URL itself, that is not public */
export function requirePublicHost({ hostname }: URL): void {
  const bare = hostname.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0 && !isPublic(bare)) throw refused(hostname, bare);
}

/** Resolves a name for a connection and hands out public addresses only: what was checked is what is connected to. */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  resolve(hostname, { ...options, all: true }, (error, addresses) => {
    const bad = error ? undefined : addresses.find(({ address }) => !isPublic(address));
    const first = addresses?.[0];
    if (error || first === undefined) callback(error, []);
    else if (bad) callback(refused(hostname, bad.address), []);
    else if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};
