const two = (n: number): string => String(n).padStart(2, '0');

/** A time as a field for dates and times has it: of this place, to the second. */
export function clockField(at: number): string {
  const date = new Date(at);
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day}T${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`;
}

/** What such a field holds, ms; null if it is not filled in. */
export function timeOf(field: string): number | null {
  const at = field === '' ? Number.NaN : new Date(field).getTime();
  return Number.isNaN(at) ? null : at;
}
