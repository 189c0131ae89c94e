/** Why a file has no text here. */

export class ExtractError extends Error {
  /** As `last_error` of a vector store's file has it. */
  readonly code: 'unsupported_file' | 'invalid_file' | 'server_error';

  constructor(code: ExtractError['code'], message: string) {
    super(message);
    this.name = 'ExtractError';
    this.code = code;
  }
}
