/**
 * The global names that chat templates may use: what transformers adds (`raise_exception`, `strftime_now`, `dict`)
 * and Jinja's own, which the template engine leaves to its caller when the environment is made by hand.
 */

/** A template's own refusal, told apart from a fault while rendering. */
export class TemplateRefusal extends Error {}

const months = 'January February March April May June July August September October November December'.split(
  ' ',
);
const days = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

/** Python's `strftime` in the C locale, local time. Directives it does not know stay as they are. */
export function strftime(date: Date, format: string): string {
  const pad = (value: number, width = 2) => String(value).padStart(width, '0');
  const hour12 = date.getHours() % 12 || 12;
  const values: Record<string, () => string> = {
    Y: () => pad(date.getFullYear(), 4),
    y: () => pad(date.getFullYear() % 100),
    m: () => pad(date.getMonth() + 1),
    d: () => pad(date.getDate()),
    B: () => months[date.getMonth()]!,
    b: () => months[date.getMonth()]!.slice(0, 3),
    A: () => days[date.getDay()]!,
    a: () => days[date.getDay()]!.slice(0, 3),
    H: () => pad(date.getHours()),
    I: () => pad(hour12),
    p: () => (date.getHours() < 12 ? 'AM' : 'PM'),
    M: () => pad(date.getMinutes()),
    S: () => pad(date.getSeconds()),
    j: () => pad(dayOfYear(date), 3),
    '%': () => '%',
  };
  // `%-d` is glibc's way to leave the padding out.
  return format.replace(/%(-?)([A-Za-z%])/g, (directive, dash: string, key: string) => {
    const value = Object.hasOwn(values, key) ? values[key]!() : undefined;
    if (value === undefined) return directive;
    return dash ? value.replace(/^0+(?=\d)/, '') : value;
  });
}

function dayOfYear(date: Date): number {
  const dayMs = 86_400_000;
  const today = Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return (today - Date.UTC(date.getFullYear(), 0, 1)) / dayMs + 1;
}

export function templateGlobals(now: () => Date): Record<string, unknown> {
  return {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    range,
    raise_exception: (message: unknown) => {
      throw new TemplateRefusal(typeof message === 'string' ? message : 'no reason given');
    },
    strftime_now: (format: unknown) => strftime(now(), typeof format === 'string' ? format : ''),
    dict: (value?: unknown) => plain(value) ?? {},
  };
}

/** Jinja's sandbox has the same limit: a template comes from a stranger. */
const rangeLimit = 100_000;

function range(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (step === 0 || !(count <= rangeLimit))
    throw new Error(`range() must give at most ${rangeLimit} numbers`);
  return Array.from({ length: count }, (_, i) => start + i * step);
}

/** The template engine passes keyword arguments and objects as maps of its own boxed values. */
function plain(value: unknown): unknown {
  if (value instanceof Map) {
    return Object.fromEntries([...value].map(([key, item]) => [String(key), plain(unbox(item))]));
  }
  return Array.isArray(value) ? value.map((item) => plain(unbox(item))) : value;
}

function unbox(item: unknown): unknown {
  return typeof item === 'object' && item !== null && 'value' in item ? item.value : item;
}
