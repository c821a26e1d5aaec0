import { z } from 'zod';
import type { FactSubject } from '../contract/fact.ts';
import type { Reader, Transaction } from '../store/store.ts';

const KEY = 'alerts';
const Alerts = z.record(z.string(), z.string());

/** The open alerts: key (object and cause) → text. */
export const openAlerts = (read: Pick<Reader, 'meta'>): Readonly<Record<string, string>> =>
  Alerts.parse(JSON.parse(read.meta.get(KEY) ?? '{}'));

/** One open alert per key: a second opening changes nothing. */
export function openAlert(tx: Transaction, key: string, text: string, subject: Partial<FactSubject>): void {
  const alerts = openAlerts(tx);
  if (alerts[key] !== undefined) return;
  tx.meta.set(KEY, JSON.stringify({ ...alerts, [key]: text }));
  tx.record('alert.opened', { key, text }, subject, 'gantry');
}

export function closeAlert(tx: Transaction, key: string, text: string, subject: Partial<FactSubject>): void {
  const { [key]: open, ...rest } = openAlerts(tx);
  if (open === undefined) return;
  tx.meta.set(KEY, JSON.stringify(rest));
  tx.record('alert.closed', { key, text }, subject, 'gantry');
}
