export interface Site {
  readonly url: string;
  /** The next JSON that a page posts to /report. */
  report(): Promise<unknown>;
  close(): Promise<void>;
}
export function startSite(
  folders: Readonly<Record<string, string>>,
  options?: { readonly isolated?: boolean },
): Promise<Site>;
