/** Errors that Steelyard throws on purpose. Every message says where, what was found, what was expected and what to do. */

export type ErrorCode =
  'format' | 'shape' | 'unsupported' | 'capacity' | 'request' | 'not_found' | 'network' | 'aborted';

export class SteelyardError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** A file does not hold what its format promises. */
export class FormatError extends SteelyardError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('format', message, options);
  }
}

/** Tensors whose shapes or dtypes do not fit an op; also an op's attribute out of range. */
export class ShapeError extends SteelyardError {
  constructor(message: string) {
    super('shape', message);
  }
}

/** Valid input that this version cannot compute (an architecture, a dtype, a config value). */
export class UnsupportedError extends SteelyardError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('unsupported', message, options);
  }
}

/** Something does not fit: memory, context length, disk. The message carries the numbers. */
export class CapacityError extends SteelyardError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('capacity', message, options);
  }
}

/** A caller's request is wrong; `param` names the field. */
export class RequestError extends SteelyardError {
  readonly param: string | undefined;

  constructor(message: string, param?: string) {
    super('request', message);
    this.param = param;
  }
}

/** A model, file or source that is not there. */
export class NotFoundError extends SteelyardError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('not_found', message, options);
  }
}

/** A transfer that failed after its retries. */
export class NetworkError extends SteelyardError {
  constructor(message: string, options?: { cause?: unknown }) {
    super('network', message, options);
  }
}
