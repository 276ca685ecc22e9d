/** What `flist verify` says at the end, for people and for scripts. */
import { formatSize } from '../base/bytes.ts';
import { escapeName, jsonName } from '../base/name-text.ts';
import { plural } from '../base/plural.ts';
import type { Findings } from '../image/verify/findings.ts';

export interface StoreResult {
  readonly store: string;
  /** Chunks that it does not have; absent when it did not answer. */
  readonly missing?: number;
  readonly error?: string;
}

export class VerifyReport {
  readonly source: string;
  readonly findings: Findings;
  rootDigest: string | undefined;
  entries: number | undefined;
  /** Different ones, when they were checked. */
  chunks: number | undefined;
  /** Plain bytes that were fetched and checked. */
  bytes: number | undefined;
  stores: readonly StoreResult[] = [];
  /** Id of the key that has signed. */
  signedBy: string | undefined;

  constructor(source: string, findings: Findings) {
    this.source = source;
    this.findings = findings;
  }

  get findingCount(): number {
    return this.findings.total;
  }

  toJson(): object {
    const { source, rootDigest, entries, chunks, bytes, stores, signedBy } = this;
    return {
      source,
      sound: this.findings.total === 0,
      rootDigest,
      entries,
      chunks,
      bytes,
      signedBy,
      ...(stores.length > 0 && { stores }),
      findingCount: this.findings.total,
      findings: this.findings.kept.map(({ path, ...rest }) => ({
        ...rest,
        ...(path !== undefined && jsonName('path', path)),
      })),
    };
  }

  /** Findings, and unless `quiet` what was checked. */
  toText(quiet: boolean): string {
    const lines = this.findings.kept.map(({ kind, path, message }) => {
      const place = path === undefined ? '' : `${escapeName(path)}: `;
      return `${kind.padEnd(11)}${place}${escapeName(Buffer.from(message))}`;
    });
    const more = this.findings.total - this.findings.kept.length;
    if (more > 0) lines.push(`and ${more} more`);
    if (!quiet) lines.push(...this.#summary());
    return lines.map((line) => `${line}\n`).join('');
  }

  #summary(): string[] {
    const { entries, chunks, bytes, stores, signedBy } = this;
    const checked = [
      ...(entries === undefined ? [] : [plural(entries, 'inode')]),
      ...(chunks === undefined ? [] : [plural(chunks, 'chunk')]),
      ...(bytes === undefined ? [] : [`${formatSize(bytes)} of data`]),
    ];
    const verdict = this.findings.total === 0 ? 'sound' : plural(this.findings.total, 'finding');
    const name = escapeName(Buffer.from(this.source));
    return [
      ...stores.map(({ store, missing, error }) => `${store}: ${error ?? storeText(missing ?? 0)}`),
      ...(signedBy === undefined ? [] : [`signed by key ${signedBy}`]),
      `${name}: ${[verdict, ...checked].join(', ')}`,
    ];
  }
}

function storeText(missing: number): string {
  return missing === 0 ? 'has every chunk' : `lacks ${plural(missing, 'chunk')}`;
}
