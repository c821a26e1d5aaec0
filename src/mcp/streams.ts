/** The same answer; `onEnd` is called once, when its body has ended or the client has gone. */
export function onStreamEnd(response: Response, onEnd: () => void): Response {
  const { body } = response;
  if (body === null) return response;
  const reader = body.getReader();
  const watched = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await reader.read();
      if (!done) return controller.enqueue(value);
      onEnd();
      controller.close();
    },
    cancel: async (reason) => {
      onEnd();
      await reader.cancel(reason);
    },
  });
  return new Response(watched, { status: response.status, headers: response.headers });
}

/** For a client that takes no event stream: the one message that answers, as a JSON body. */
export async function withOneAnswer(request: Request, response: Response): Promise<Response> {
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  const accept = request.headers.get('accept') ?? '';
  if (!isStream || accept.includes('text/event-stream')) return response;
  const messages = (await response.text())
    .split('\n')
    .flatMap((line) => (line.startsWith('data: ') ? [line.slice('data: '.length)] : []))
    .filter((data) => data.trim() !== '')
    .map((data) => JSON.parse(data) as object);
  const answers = messages.filter((message) => 'result' in message || 'error' in message);
  const headers = new Headers(response.headers);
  headers.set('Content-Type', 'application/json');
  return new Response(JSON.stringify(answers.length === 1 ? answers[0] : answers), { status: 200, headers });
}
