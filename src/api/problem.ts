import { redact } from '../base/redact.ts';
import { type AppError, ERRORS } from '../contract/errors.ts';
import type { Problem } from '../contract/shapes.ts';

export const PROBLEM_TYPE = 'application/problem+json';

/** The RFC 9457 document of an error. `issues` among its details become the document's own. */
export function problemOf(error: AppError): Problem {
  const { status, title } = ERRORS[error.code];
  const { issues, ...details } = error.details ?? {};
  return {
    type: `urn:gantry:error:${error.code}`,
    title,
    status,
    detail: redact(error.message),
    code: error.code,
    ...(issues === undefined ? {} : { issues: issues as NonNullable<Problem['issues']> }),
    ...(Object.keys(details).length === 0 ? {} : { details }),
  };
}
