/**
 * Typed interface of the native addon. Nothing else in the tree knows what the `.node` file exports.
 *
 * Asynchronous calls run on libuv's pool or on the addon's own threads, never on the JS thread. They
 * reject with a `G8Error`, whose class is handed to the addon once by the loader; arguments of the
 * wrong type or outside their limits throw a `TypeError` or `RangeError` at once. Arrays handed over
 * must not be transferred before the call has settled, and descriptors must stay open.
 *
 * The pool has few threads and its calls cannot be cancelled: callers bound how many they queue, and
 * an environment that ends waits for those that run.
 */
import type { CodecBinding } from './codec-binding.ts';
import type { KeeperBinding } from './keeper-binding.ts';
import type { LayersBinding } from './layers-binding.ts';
import type { PackBinding } from './pack-binding.ts';
import type { RestoreBinding } from './restore-binding.ts';
import type { ScanBinding } from './scan-binding.ts';
import type { SessionBinding } from './session-binding.ts';
import type { StreamBinding } from './stream-binding.ts';
import type { SystemBinding } from './system-binding.ts';

export type * from './codec-binding.ts';
export type * from './keeper-binding.ts';
export type * from './layers-binding.ts';
export type * from './pack-binding.ts';
export type * from './restore-binding.ts';
export type * from './scan-binding.ts';
export type * from './session-binding.ts';
export type * from './session-values.ts';
export type * from './stream-binding.ts';
export type * from './system-binding.ts';

export interface Addon
  extends CodecBinding,
    ScanBinding,
    PackBinding,
    LayersBinding,
    SystemBinding,
    RestoreBinding,
    StreamBinding,
    SessionBinding,
    KeeperBinding {
  /** The closed list of error codes the addon can raise; equals the keys of `CODES`. */
  readonly errorCodes: readonly string[];
  /** Hands over the error class. Called once by the loader. */
  initialize(errorClass: unknown): void;
}
