/** Programs of this machine listen on ports from here on. */
const MIN_PORT = 1_024;
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/**
 * Whether an answer may be sent to `address`: a WebSocket on this machine, or a host that the configuration names.
 * Anybody who may report events chooses the address, so that it must not reach anything else.
 * @returns what is accepted, if it is not; null if it is
 */
export function checkAnswerAddress(
  address: string,
  { ownPort, hosts }: { readonly ownPort: number; readonly hosts: readonly string[] },
): string | null {
  const url = URL.parse(address);
  const accepted = `expected ws://localhost, ws://127.0.0.1 or ws://[::1] with a port from ${MIN_PORT} on`;
  if (url === null || url.protocol !== 'ws:') return accepted;
  if (url.username !== '' || url.password !== '') return `${accepted}, without a user`;
  const isNamed = hosts.includes(url.hostname) || hosts.includes(url.host);
  if (!LOOPBACK.includes(url.hostname)) return isNamed ? null : `${accepted}, or a host of observe.answerHosts`;
  if (Number(url.port || 80) < MIN_PORT) return accepted;
  return Number(url.port) === ownPort ? `${accepted}, not Gantry's own` : null;
}
