/** Numbers as people read them. Machine output (`--json`) never goes through here. */

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;
const COUNT_UNITS = ['', ' K', ' M', ' G', ' T', ' P'] as const;

/** Three significant digits at least, powers of 1000. */
function scale(value: number, units: readonly string[], separator: string): string {
  let scaled = value;
  let unit = 0;
  // 999.5 rounds to 1000, which belongs to the next unit.
  while (Math.abs(scaled) >= 999.5 && unit < units.length - 1) {
    scaled /= 1000;
    unit++;
  }
  const digits = unit === 0 || Math.abs(scaled) >= 99.95 ? 0 : Math.abs(scaled) >= 9.995 ? 1 : 2;
  return `${scaled.toFixed(digits)}${separator}${units[unit] ?? ''}`;
}

/** `91.7 MB`; powers of 1000, as disks and downloads count. */
export function formatBytes(bytes: number): string {
  return scale(bytes, BYTE_UNITS, ' ');
}

/** `135 M` parameters, `1.23 G` operations. */
export function formatCount(count: number): string {
  return scale(count, COUNT_UNITS, '');
}

/** `12.3 MB/s` from bytes per second. */
export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

/** `38.2` tokens per second, with digits that matter. */
export function formatTokenRate(tokensPerSecond: number): string {
  if (!Number.isFinite(tokensPerSecond)) return '-';
  return tokensPerSecond.toFixed(tokensPerSecond >= 100 ? 0 : tokensPerSecond >= 10 ? 1 : 2);
}

/** `850 ms`, `12.3 s`, `3 min 20 s`, `2 h 05 min`. */
export function formatDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** `1 file`, `3 files`. */
export function plural(count: number, noun: string, several = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : several}`;
}

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  kib: 1024,
  m: 1e6,
  mb: 1e6,
  mib: 1024 ** 2,
  g: 1e9,
  gb: 1e9,
  gib: 1024 ** 3,
};

/** Bytes in `4GB`, `512MiB`, `1000`; undefined when it is not a size. */
export function parseBytes(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text);
  const factor = match && SIZE_UNITS[(match[2] as string).toLowerCase()];
  return match && factor !== undefined && factor !== null ? Math.round(Number(match[1]) * factor) : undefined;
}

const TIME_UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, '': 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds in `30s`, `5m`, `1.5h`, or seconds without a unit; Infinity for `never` and `-1`. */
export function parseDuration(text: string): number | undefined {
  if (/^\s*(never|-1)\s*$/i.test(text)) return Infinity;
  const match = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|)\s*$/i.exec(text);
  return match ? Math.round(Number(match[1]) * (TIME_UNITS[match[2]!.toLowerCase()] as number)) : undefined;
}
