import { randomBytes } from 'node:crypto';

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';

/** A new id: prefix, 9 digits of time (sorts by creation, to the year 3084), 9 random digits; Crockford base 32. */
export function newId<P extends string>(prefix: P, nowMs: number): `${P}_${string}` {
  let time = '';
  for (let left = nowMs, i = 0; i < 9; i += 1) {
    time = DIGITS.charAt(left % 32) + time;
    left = Math.floor(left / 32);
  }
  let random = '';
  for (const byte of randomBytes(9)) random += DIGITS.charAt(byte % 32);
  return `${prefix}_${time}${random}`;
}

/** A secret of 256 bits for URLs and headers. */
export function newSecret(prefix: string): string {
  return `${prefix}_${randomBytes(32).toString('base64url')}`;
}
