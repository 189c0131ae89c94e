/**
 * Text from strangers (a model's answer, a file's metadata) on its way to a terminal: control characters could
 * move the cursor, retitle the window or worse, so all but tab and line feed are dropped.
 */

// C0 less \t and \n, DEL, C1.

const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

export function sanitise(text: string): string {
  return text.replace(CONTROL, '');
}

/** The same on one line, for table cells. */
export function sanitiseLine(text: string): string {
  return sanitise(text.replace(/\s+/g, ' ')).trim();
}
