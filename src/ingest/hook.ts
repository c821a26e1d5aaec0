/** The event of a hook's own JSON: its type is in it, the application that it comes from is told beside it. */
export function hookEvent(payload: unknown, source: string): Record<string, unknown> {
  const { session_id, hook_event_name, model } = (payload ?? {}) as Record<string, unknown>;
  return {
    source_app: source,
    session_id: session_id ?? 'unknown',
    hook_event_type: hook_event_name,
    payload,
    ...(typeof model === 'string' ? { model_name: model } : {}),
  };
}
