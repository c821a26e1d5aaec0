import { jsonOf, openSend } from '../../src/client/send.ts';

const send = openSend({ url: location.origin });

/**
 * Asks the compatible events API, which is no part of the table of operations: events of outside programs, themes.
 * @throws AppError of the daemon; daemon_unreachable
 */
export async function askEvents(
  path: string,
  { method = 'GET', body }: { method?: string; body?: object } = {},
): Promise<unknown> {
  const response = await send(path, {
    method,
    ...(body && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }),
  });
  return jsonOf(await response.text());
}
