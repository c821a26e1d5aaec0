const MASK = '[redacted]';

/** Names whose values are secrets wherever they appear. */
const SECRET_KEY =
  /^(authorization|proxy-authorization|cookie|set-cookie|x-api-key|password|passwd|secret|.*(api[_-]?key|_token|_secret|_password)|token|apikey)$/i;

/** Texts that are secrets by their form: provider keys, GitHub and Slack tokens, JWTs, bearer headers, user info in URLs. */
const SECRET_TEXT: readonly (readonly [RegExp, string])[] = [
  [/\b(sk|pk|rk|or)-(?:[a-z]+-)*[A-Za-z0-9_-]{16,}/g, MASK],
  [
    /\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30,})/g,
    MASK,
  ],
  [/\beyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+/g, MASK],
  [/\bgty_[A-Za-z0-9_-]{20,}/g, MASK],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi, `$1 ${MASK}`],
  [/\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/@:]+:[^\s/@]+@/gi, `$1${MASK}@`],
  [/\b([A-Z][A-Z0-9_]*(?:API_KEY|TOKEN|SECRET|PASSWORD))=(?!\[redacted\])[^\s'"]{4,}/g, `$1=${MASK}`],
];

const redactText = (text: string): string => SECRET_TEXT.reduce((t, [form, mask]) => t.replace(form, mask), text);

/** The same value with every secret masked: by the name of its key and by the form of the text. */
export function redact<T>(value: T): T {
  if (typeof value === 'string') return redactText(value) as T;
  if (Array.isArray(value)) return value.map((v) => redact(v)) as T;
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([key, v]) =>
    SECRET_KEY.test(key) && typeof v === 'string' ? [key, MASK] : [key, redact(v)],
  );
  return Object.fromEntries(entries) as T;
}
