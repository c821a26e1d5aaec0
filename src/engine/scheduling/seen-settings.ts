import { closeAlert, openAlert, openAlerts } from '../alerts.ts';
import type { Parts } from '../parts.ts';
import { type Settings, settingsProblem } from '../settings.ts';

/** The settings of a project, or why they cannot be read. */
export type Seen = Settings | string;

/** By what a task may have to wait. */
export const limitsIn = (seen: Seen): string =>
  typeof seen === 'string' ? seen : JSON.stringify([seen.limits, seen.backends, seen.roles, seen.budgets]);

/** Says of every project whether its settings cannot be read. @returns whether that is so of any */
export function tellUnread({ store, settingsFor }: Pick<Parts, 'store' | 'settingsFor'>): boolean {
  const open = openAlerts(store.read);
  let isUnread = false;
  for (const { id, name, path, state } of store.read.projects.list({})) {
    const key = `settings:${id}`;
    const problem = state === 'active' ? settingsProblem(settingsFor, path) : null;
    isUnread ||= problem !== null;
    const text = problem === null ? undefined : `nothing starts in ${name}: ${problem}`;
    if (open[key] === text) continue;
    store.commit((tx) => {
      closeAlert(tx, key, 'its settings have changed', { projectId: id });
      if (text !== undefined) openAlert(tx, key, text, { projectId: id });
    });
  }
  return isUnread;
}
