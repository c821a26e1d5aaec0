/** What a found secret is. */
export type SecretKind = 'key' | 'token' | 'jwt' | 'header' | 'password' | 'private-key' | 'value' | 'custom';

/** Takes the place of a secret. */
export type Replace = (secret: string, kind: SecretKind) => string;

type Form = {
  readonly kind: SecretKind;
  readonly form: RegExp;
  /** Whether what has the form is one; default yes. */
  readonly isSecret?: (secret: string) => boolean;
};

/** Words with dashes between them are no keys. */
const isNoPhrase = (text: string): boolean => text.length >= 40 || /\d|-\w{16}/.test(text);

/** Words that follow `Bearer` in prose. */
const isNoWord = (text: string): boolean => !/^(?:authenti|authori|credential|challenge|scheme)\w*$/i.test(text);

/** `user:password` in base64, as a Basic header has it; prose such as "basic functionality" is none. */
const isBasicLogin = (text: string): boolean =>
  Buffer.from(text.slice(0, 256), 'base64').toString('latin1').includes(':');

/** A variable, a placeholder or something masked already is not the secret itself. */
const isGivenValue = (text: string): boolean =>
  !/^(?:[$<[{%]|process\.|os\.|env\.|null\b|undefined\b|true\b|false\b)/.test(text);

/**
 * Texts that are secrets by their form. Group 1 stays, group 2 is the secret. Each reads a text in time that grows with
 * its length: what repeats is bounded, or begins only where a run of its characters begins.
 */
const FORMS: readonly Form[] = [
  {
    kind: 'private-key',
    form: /()(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----(?:[\w+/=\s\\:,.]|-(?!-))*(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----)?)/g,
  },
  { kind: 'key', form: /()(?<![\w-])((?:sk|pk|rk|or)-[A-Za-z0-9_-]{16,})/g, isSecret: isNoPhrase },
  {
    kind: 'token',
    form: /()(?<![\w+/])(gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}|xox[abeprs]-[A-Za-z0-9-]{10,}|A[KS]IA[0-9A-Z]{16}|AIza[\w-]{30,}|npm_[A-Za-z0-9]{30,}|hf_[A-Za-z0-9]{30,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9]{16,}|gty_[\w-]{20,})/g,
  },
  { kind: 'jwt', form: /()(?<![A-Za-z0-9])(eyJ[\w-]{8,200}\.[\w-]{8,}\.[\w-]+)/g },
  { kind: 'header', form: /(?<!\w)(Bearer\s{1,3})([\w.~+/=-]{8,})/gi, isSecret: isNoWord },
  { kind: 'header', form: /(?<!\w)(Basic\s{1,3})([A-Za-z0-9+/]{8,}={0,2})/gi, isSecret: isBasicLogin },
  {
    kind: 'password',
    form: /(?<![a-z0-9+.-])([a-z][a-z0-9+.-]{0,30}:\/\/)([^\s/@:"'<>]{1,256}:[^\s/@"'<>]{1,1024})(?=@)/gi,
  },
  {
    kind: 'value',
    form: /(?<![A-Z0-9_])((?:[A-Z0-9_]*_(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PWD)|APIKEY|TOKEN|SECRET|PASSWORD)(?:=["']?|["']\s{0,3}[:=]\s{0,3}["']|:\s{1,3}["']))([^\s"'\\,;&]{4,})/g,
    isSecret: isGivenValue,
  },
];

/** Something that every secret in a text has, to find out soon that there is none. */
const HINT =
  /-----BEGIN|eyJ|(?:sk|pk|rk|or)-\w|gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|A[KS]IA|AIza|npm_|hf_|k_live_|k_test_|whsec_|gty_|bearer|basic|:\/\/[^\s/@]*@|KEY|TOKEN|SECRET|PASSW|_PWD/i;

/** Names whose values are secrets wherever they appear. */
const SECRET_NAME =
  /^(?:(?:proxy-)?authorization|cookie|set-cookie|x-api-key|api-?key|passw(?:or)?d|passphrase|secret|token|.{0,100}(?:api[_-]?key|apikey|[_-]token|[_-]secret|[_-]password|private[_-]?key|accessToken|refreshToken|clientSecret))$/i;

export const isSecretName = (name: string): boolean => name.length <= 128 && SECRET_NAME.test(name);

export const mayHoldSecret = (text: string): boolean => HINT.test(text);

/** The text with each secret in it replaced. */
export function replaceSecrets(text: string, replace: Replace): string {
  if (!mayHoldSecret(text)) return text;
  return FORMS.reduce(
    (masked, { kind, form, isSecret = () => true }) =>
      masked.replace(form, (match: string, before: string, secret: string) =>
        isSecret(secret) ? before + replace(secret, kind) : match,
      ),
    text,
  );
}
