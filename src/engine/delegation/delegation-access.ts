import type { Caller } from '../../contract/caller.ts';
import { requestOf } from '../../contract/delegation.ts';
import { AppError } from '../../contract/errors.ts';
import { RequestId } from '../../contract/ids.ts';
import type { Request } from '../../contract/request.ts';
import type { Reader } from '../../store/store.ts';

export const mayServe = ({ callers }: Caller, callerId: string): boolean => !callers || callers.includes(callerId);

/** @throws AppError `forbidden` */
export function requireCaller(caller: Caller, callerId: string): void {
  if (mayServe(caller, callerId)) return;
  throw new AppError('forbidden', `the token may not act for ${callerId}; it may for: ${caller.callers?.join(', ')}`);
}

/** Whether the request is a delegation that the caller may see. */
export function isServed(read: Reader, requestId: RequestId | null, caller: Caller): boolean {
  const request = requestId === null ? null : read.requests.get(requestId);
  return request?.delegation ? mayServe(caller, request.delegation.callerId) : false;
}

/** Nobody learns of another's task whether it exists. @throws AppError `not_found` */
export function needDelegated(read: Reader, id: string, caller: Caller, of: 'task' | 'file' = 'task'): Request {
  const requestId = RequestId.safeParse(id.startsWith('task-') ? requestOf(id) : id).data;
  const request = requestId === undefined ? null : read.requests.get(requestId);
  if (request?.delegation && mayServe(caller, request.delegation.callerId)) return request;
  throw new AppError('not_found', of === 'file' ? `Task not found: ${id}` : `Task ${id} not found`, {
    details: { task: id },
  });
}
