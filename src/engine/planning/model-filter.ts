import { AppError } from '../../contract/errors.ts';
import type { Settings } from '../settings.ts';

/**
 * Refuses a model that the configuration denies, or does not list where a list is all that is allowed. Entries are
 * `provider/model` or bare model ids. `null`, the program's own default, is not known and passes.
 * @throws AppError `policy_denied`
 */
export function requireModel(model: string | null, { models }: Pick<Settings, 'models'>): void {
  if (model === null || !models) return;
  const bare = model.slice(model.indexOf('/') + 1);
  const names = (entry: string): boolean => entry === model || entry === bare;
  if (models.deny.some(names)) throw new AppError('policy_denied', `the model ${model} is denied by models.deny`);
  if (models.allowOnly !== null && !models.allowOnly.some(names)) {
    const accepted = models.allowOnly.join(', ') || 'none';
    throw new AppError('policy_denied', `the model ${model} is not in models.allowOnly; accepted: ${accepted}`);
  }
}
