import { describe, expect, test } from 'vitest';
import { toAppError } from '../contract/errors.ts';
import { isPublic, publicLookup, requirePublicHost } from './addresses.ts';

test.each([
  '8.8.8.8',
  '1.1.1.1',
  '93.184.216.34',
  '172.32.0.1',
  '192.0.1.1',
  '2606:4700:4700::1111',
  '2a00:1450:4001:81b::200e',
])('%s is public', (address) => {
  expect(isPublic(address)).toBe(true);
});

test.each([
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:10.0.0.1',
  '::ffff:7f00:1',
  '64:ff9b::7f00:1',
  'fe80::1',
  'fe80::1%eth0',
  'fc00::1',
  'fd12:3456::1',
  'fec0::1',
  'ff02::1',
  '2002:7f00:1::',
  '2001::1',
  '2001:db8::1',
  'not an address',
  '',
])('%s is not', (address) => {
  expect(isPublic(address)).toBe(false);
});

describe('a URL that names an address', () => {
  const codeOf = (url: string): string | null => {
    try {
      requirePublicHost(new URL(url));
      return null;
    } catch (error) {
      return toAppError(error).code;
    }
  };

  test.each([
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://0177.0.0.1/',
    'http://127.1/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://169.254.169.254/latest/meta-data',
  ])('%s is refused however it is written', (url) => {
    expect(codeOf(url)).toBe('forbidden');
  });

  test.each(['https://8.8.8.8/', 'https://[2606:4700:4700::1111]/', 'https://example.org/'])('%s is not', (url) => {
    expect(codeOf(url)).toBeNull();
  });
});

test('a name that resolves to this machine is refused in the moment of connecting', async () => {
  const error = await new Promise((resolve) => {
    publicLookup('localhost', { all: true }, (refusal) => resolve(refusal));
  });
  expect(error).toMatchObject({ code: 'forbidden' });
});
