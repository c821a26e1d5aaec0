/** Names, beside LC_*, that an agent program gets from the daemon's environment; the proxy names in both cases. */
const ALLOWED = new Set([
  ...['PATH', 'HOME', 'TERM', 'LANG', 'LANGUAGE', 'TMPDIR'],
  ...['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'].flatMap((name) => [name, name.toUpperCase()]),
  ...['SSL_CERT_FILE', 'SSL_CERT_DIR', 'NODE_EXTRA_CA_CERTS', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE', 'GIT_SSL_CAINFO'],
]);

/**
 * The whole environment of an agent program: PATH, HOME, TERM, locale, TMPDIR, proxy and certificates, the names in
 * `pass` (what a role lets through), then `extra`, which wins. Nothing else of the daemon's own environment.
 */
export function buildEnvironment(
  parent: Readonly<Record<string, string | undefined>>,
  { extra = {}, pass = [] }: { readonly extra?: Readonly<Record<string, string>>; readonly pass?: readonly string[] },
): Record<string, string> {
  const isAllowed = (name: string): boolean => ALLOWED.has(name) || name.startsWith('LC_') || pass.includes(name);
  const passed = Object.entries(parent).flatMap(([name, value]) =>
    value !== undefined && isAllowed(name) ? [[name, value] as const] : [],
  );
  return { ...Object.fromEntries(passed), ...extra };
}
