/** What a check has found wrong: the first ones in full, all of them counted. */
import { isG8Error } from '../../base/errors.ts';

export type FindingKind = 'package' | 'index' | 'records' | 'chunk' | 'difference' | 'signature';

export interface Finding {
  readonly kind: FindingKind;
  /** In the image, as bytes. */
  readonly path?: Uint8Array;
  /** Of a chunk, in hex. */
  readonly chunk?: string;
  readonly message: string;
}

/** What a person reads, or a script handles; beyond this the image is as good as lost. */
const KEPT_MAX = 1000;

export class Findings {
  readonly kept: Finding[] = [];
  total = 0;

  add(finding: Finding): void {
    this.total++;
    if (this.kept.length < KEPT_MAX) this.kept.push(finding);
  }

  /**
   * Runs a check whose failure is a finding when the flist is to blame; all other errors end everything.
   *
   * @returns `undefined` when it failed so
   */
  async guard<T>(kind: FindingKind, check: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await check();
    } catch (error) {
      if (!isG8Error(error, 'ERR_FLIST_FORMAT') && !isG8Error(error, 'ERR_FLIST_VERSION')) {
        throw error;
      }
      this.add({ kind, message: error.message });
      return undefined;
    }
  }
}
