/**
 * Thoughts in the field `encrypted_content`, by which callers who keep their own history give them back. The thoughts of
 * an open model are shown beside it in plain text, so there is nothing to hide from them: only the form is OpenAI's.
 */

const MARK = 'steelyard.';

export function carried(text: string): string {
  return MARK + Buffer.from(text, 'utf8').toString('base64url');
}

/** @returns undefined for content that was not made here */
export function uncarried(content: string): string | undefined {
  return content.startsWith(MARK)
    ? Buffer.from(content.slice(MARK.length), 'base64url').toString('utf8')
    : undefined;
}
