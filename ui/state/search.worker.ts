/** Tests texts against a pattern, away from the page: a bad pattern can run for ever. */
type Question = { readonly id: number; readonly pattern: string; readonly texts: readonly string[] };

addEventListener('message', ({ data }: MessageEvent<Question>) => {
  const { id, pattern, texts } = data;
  const expression = new RegExp(pattern, 'iu');
  postMessage({ id, found: texts.map((text) => expression.test(text)) });
});
