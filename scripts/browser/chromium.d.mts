export interface Chromium {
  readonly command: string;
  readonly version: string;
}
export function findChromium(): Chromium | undefined;
export function openPage(
  chromium: Chromium,
  url: string,
  extra?: readonly string[],
): { readonly ended: Promise<never>; close(): Promise<void> };
