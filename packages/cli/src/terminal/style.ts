/** Colours for one stream: only on a terminal, never with NO_COLOR, forced by FORCE_COLOR. */

import pc from 'picocolors';

export type Style = ReturnType<typeof pc.createColors>;

export function styleFor(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): Style {
  if (env['NO_COLOR']) return pc.createColors(false);
  if (env['FORCE_COLOR'] && env['FORCE_COLOR'] !== '0') return pc.createColors(true);
  return pc.createColors(stream.isTTY === true && env['TERM'] !== 'dumb');
}
