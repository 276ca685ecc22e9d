/**
 * The one error class of the project and its closed table of codes.
 *
 * A code answers three questions at once: what the kernel is told (errno), how a command ends (exit
 * code), and whether trying again can help. Programmer mistakes throw the built-in `TypeError` or
 * `RangeError` instead and keep their stack.
 */

/** What a code means outside: `errno` for the kernel, `exitCode` for the shell (sysexits.h). */
export interface CodeProperties {
  /** Name of the errno that a FUSE request is answered with; absent when no request can end so. */
  readonly errno?: 'EIO' | 'ENOENT' | 'ENOSPC' | 'EACCES' | 'EINTR';
  readonly exitCode: number;
  readonly retryable: boolean;
}

/** Every error code. `native/base/status.h` holds the same list; a test compares the two. */
export const CODES = {
  ERR_USAGE: { exitCode: 64, retryable: false },
  ERR_FLIST_FORMAT: { errno: 'EIO', exitCode: 65, retryable: false },
  ERR_FLIST_VERSION: { errno: 'EIO', exitCode: 65, retryable: false },
  ERR_NO_INPUT: { errno: 'ENOENT', exitCode: 66, retryable: false },
  ERR_HOST_UNKNOWN: { errno: 'EIO', exitCode: 68, retryable: true },
  ERR_STORE_UNAVAILABLE: { errno: 'EIO', exitCode: 69, retryable: true },
  ERR_CHUNK_MISSING: { errno: 'EIO', exitCode: 69, retryable: false },
  ERR_CHUNK_CORRUPT: { errno: 'EIO', exitCode: 65, retryable: false },
  ERR_INTERNAL: { errno: 'EIO', exitCode: 70, retryable: false },
  ERR_MOUNT: { exitCode: 71, retryable: false },
  ERR_NO_FUSE: { exitCode: 69, retryable: false },
  ERR_CREATE: { exitCode: 73, retryable: false },
  ERR_IO: { errno: 'EIO', exitCode: 74, retryable: false },
  ERR_CACHE_FULL: { errno: 'ENOSPC', exitCode: 74, retryable: false },
  ERR_CACHE_LOCKED: { exitCode: 75, retryable: true },
  ERR_TIMEOUT: { errno: 'EIO', exitCode: 75, retryable: true },
  ERR_PROTOCOL: { errno: 'EIO', exitCode: 76, retryable: false },
  ERR_PERMISSION: { errno: 'EACCES', exitCode: 77, retryable: false },
  ERR_CONFIG: { exitCode: 78, retryable: false },
  ERR_ABORTED: { errno: 'EINTR', exitCode: 130, retryable: false },
} as const satisfies Record<string, CodeProperties>;

export type ErrorCode = keyof typeof CODES;

/** Flat evidence that belongs to an error: ids, sizes, URLs without credentials. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean>>;

export interface ErrorOptions {
  readonly cause?: unknown;
  readonly details?: ErrorDetails;
}

// Registered, so that two copies of this package in one process recognise each other's errors.
const MARK = Symbol.for('g8ufs.error');

/**
 * An expected failure with a code from {@link CODES}.
 *
 * The message is one sentence in sentence case, subject first, with the id it is about and without
 * a final period: `Chunk 1f3a… does not match its digest`.
 *
 * @public
 */
export class G8Error extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'G8Error';
    this.code = code;
    this.details = options.details ?? {};
    Object.defineProperty(this, MARK, { value: true });
  }

  /** Exit status of a command that ends with this error. */
  get exitCode(): number {
    return CODES[this.code].exitCode;
  }

  /** Whether the same call may succeed later without anything being changed here. */
  get retryable(): boolean {
    return CODES[this.code].retryable;
  }

  /** Name of the errno a FUSE request is answered with, `EIO` when the table names none. */
  get errno(): NonNullable<CodeProperties['errno']> {
    const properties: CodeProperties = CODES[this.code];
    return properties.errno ?? 'EIO';
  }
}

/**
 * Tells whether a value is a {@link G8Error}, and if `code` is given, one with that code.
 *
 * @public
 */
export function isG8Error(error: unknown, code?: ErrorCode): error is G8Error {
  if (typeof error !== 'object' || error === null || !(MARK in error)) return false;
  return code === undefined || (error as unknown as G8Error).code === code;
}

/**
 * Turns whatever was thrown into a {@link G8Error}: a system error becomes the code that fits its
 * errno, an abort its reason or `ERR_ABORTED`, anything else keeps being itself as the cause of `fallback`.
 *
 * @param context sentence without a final period that says what was being done
 */
export function toG8Error(error: unknown, fallback: ErrorCode, context: string): G8Error {
  if (isG8Error(error)) return error;
  const { code, name, cause } = (typeof error === 'object' && error !== null ? error : {}) as {
    code?: string;
    name?: string;
    cause?: unknown;
  };
  // Node says that something was aborted, whoever has done it knows why.
  if (name === 'AbortError' && isG8Error(cause)) return cause;
  const reason = error instanceof Error ? reasonOf(error) : String(error);
  const mapped = name === 'AbortError' ? 'ERR_ABORTED' : codeOfErrno(code);
  return new G8Error(mapped ?? fallback, `${context}: ${reason}`, { cause: error });
}

/** What went wrong, in words: `ENOENT: no such file or directory, stat 'a.flist'` says it three times. */
export function reasonOf({ message }: Error): string {
  return /^E[A-Z0-9]+: (.+), [a-z]+(?: '.*)?$/s.exec(message)?.[1] ?? message;
}

function codeOfErrno(errno = ''): ErrorCode | undefined {
  switch (errno) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'ERR_NO_INPUT';
    case 'EACCES':
    case 'EPERM':
      return 'ERR_PERMISSION';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'ERR_CACHE_FULL';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'ERR_HOST_UNKNOWN';
    case 'ECONNREFUSED':
    case 'ECONNRESET':
    case 'EPIPE':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'UND_ERR_SOCKET':
      return 'ERR_STORE_UNAVAILABLE';
    case 'ETIMEDOUT':
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return 'ERR_TIMEOUT';
    default:
      return undefined;
  }
}
