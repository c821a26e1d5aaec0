import { computed, type Ref, shallowRef, watch } from 'vue';
import type { Attempt } from '../../src/contract/attempt.ts';
import { RequestId } from '../../src/contract/ids.ts';
import type { Request } from '../../src/contract/request.ts';
import type { RequestDetail } from '../../src/contract/shapes.ts';
import type { Task } from '../../src/contract/task.ts';
import type { PlanNode } from './plan-layout.ts';
import { type Store, textOf } from './store.ts';

export type Detail = {
  readonly request: Request;
  /** In the plan's order. */
  readonly tasks: readonly Task[];
  readonly attempts: readonly Attempt[];
};

/** A request with what belongs to it: out of the view, or asked for if it is older than what the view holds. */
export function useDetail(
  store: Store,
  id: string,
): { readonly detail: Ref<Detail | null>; readonly problem: Ref<string | null> } {
  const fetched = shallowRef<RequestDetail | null>(null);
  const problem = shallowRef<string | null>(null);
  const detail = computed((): Detail | null => {
    const request = store.table('requests').get(id);
    if (request === undefined) return fetched.value;
    const isOwn = ({ requestId }: { readonly requestId: string }): boolean => requestId === id;
    const tasks = [...store.table('tasks').values()].filter(isOwn).sort((a, b) => a.position - b.position);
    return { request, tasks, attempts: [...store.table('attempts').values()].filter(isOwn) };
  });
  watch(
    () => store.link.value.state === 'live' && detail.value === null,
    async (isNeeded) => {
      if (!isNeeded) return;
      const wanted = RequestId.safeParse(id);
      try {
        if (!wanted.success) problem.value = `${id} is no id of a request: it begins with req_`;
        else fetched.value = await store.client.call('requests.get', { id: wanted.data });
      } catch (error) {
        problem.value = textOf(error);
      }
    },
    { immediate: true },
  );
  return { detail, problem };
}

/** The plan as a graph: its tasks, or before there are any what the planner wrote. */
export function planNodes({ request, tasks }: Detail): PlanNode[] {
  if (tasks.length > 0) return [...tasks];
  return (request.plan?.tasks ?? []).map(({ id, title, dependsOn }) => ({
    id,
    label: id,
    title,
    dependsOn,
    state: 'planned',
  }));
}
