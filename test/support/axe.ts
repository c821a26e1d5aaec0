import axe from 'axe-core';
import type { Page } from 'playwright-core';

type Found = {
  readonly id: string;
  readonly nodes: readonly { readonly target: unknown; readonly failureSummary?: string }[];
};

const ALL = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** What breaks WCAG 2.2 A or AA on the page, in words, and which colours do so in the dark; none is good. */
export async function axeProblems(page: Page): Promise<string[]> {
  // By the debugger's door, which the page's policy does not close.
  await page.evaluate(axe.source);
  const found = await run(page, ALL);
  await page.emulateMedia({ colorScheme: 'dark' });
  const dark = await run(page, ['color-contrast']);
  await page.emulateMedia({ colorScheme: 'light' });
  return [...found, ...dark.map((problem) => `in the dark: ${problem}`)];
}

async function run(page: Page, runOnly: readonly string[]): Promise<string[]> {
  const options = JSON.stringify({ runOnly });
  const found = (await page.evaluate(`axe.run(document, ${options}).then((r) => r.violations)`)) as Found[];
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${JSON.stringify(target)} ${failureSummary ?? ''}`),
  );
}
