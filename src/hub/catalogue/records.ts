/**
 * The catalogue's records: what there is, under which key, in which shape. Pure.
 *
 * A key is the kind's letter and its parts with NUL between them. No name may have a NUL, and all
 * characters of names are behind it, so the order of keys is that of the parts, one after the other.
 * A value is a JSON object with the version of its shape as `v`; whoever reads an older one brings it up
 * to date. Times are Unix milliseconds, sizes bytes, digests lower-case hex.
 */
import { z } from 'zod';
import { G8Error } from '../../base/errors.ts';
import { CHUNK_ID_PATTERN } from '../../store/chunk-id.ts';

/** A kind of record: key parts in, a value of shape `T` out. */
export interface RecordKind<T> {
  readonly letter: string;
  /** Parts of a whole key. */
  readonly partCount: number;
  readonly schema: z.ZodType<T>;
}

const VERSION = 1;
const SEPARATOR = '\0';
const time = z.number().int();
const size = z.number().int().nonnegative();
const md5 = z.string().regex(/^[0-9a-f]{32}$/);
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const name = z.string().min(1).max(255);

/** Parts: repository. */
export const REPOSITORY = kind('r', 1, {
  /** The user to whom it belongs; absent when it came from an anonymous upload or an older hub. */
  owner: name.optional(),
  /** Users besides the owner: who may publish may read as well. */
  members: z.array(z.object({ user: name, right: z.enum(['read', 'publish']) })).max(1000),
  visibility: z.enum(['public', 'private']),
  official: z.boolean(),
  created: time,
});
export type Repository = RecordOf<typeof REPOSITORY>;

const flistEntry = z.object({
  kind: z.literal('flist'),
  /** BLAKE2b-256 of the package: the key of its {@link PACKAGE}. */
  digest,
  md5,
  size,
  updated: time,
  uploader: name.optional(),
});
const linkEntry = z.object({
  kind: z.literal('link'),
  /** File name with extension, in this or another repository; may dangle. */
  target: z.object({ repository: name, file: name }),
  linked: time,
});
const tagLinkEntry = z.object({
  kind: z.literal('taglink'),
  target: z.object({ repository: name, tag: name }),
  linked: time,
});

/** Parts: repository, file: `<name>.flist` for flists and links, `<name>` for links to tags. */
export const ENTRY: RecordKind<FlistRecord | LinkRecord | TagLinkRecord> = {
  letter: 'f',
  partCount: 2,
  schema: z.discriminatedUnion('kind', [flistEntry, linkEntry, tagLinkEntry]),
};
export type FlistRecord = z.infer<typeof flistEntry>;
export type LinkRecord = z.infer<typeof linkEntry>;
export type TagLinkRecord = z.infer<typeof tagLinkEntry>;
export type Entry = FlistRecord | LinkRecord | TagLinkRecord;

/** Parts: repository, tag, file (`<name>.flist`). A tag is there while it has one. */
export const TAG = kind('t', 3, {
  target: z.object({ repository: name, file: name }),
  linked: time,
});
export type TagRecord = RecordOf<typeof TAG>;

/** Texts that lie beside a flist: its signatures, its start profile. */
export const TEXT_KINDS = ['sig', 'profile'] as const;
export type TextKind = (typeof TEXT_KINDS)[number];

/** Parts: repository, file (`<name>.flist`), {@link TextKind}. Its bytes as Latin-1. */
export const TEXT = kind('b', 3, { text: z.string().max(16 << 20), updated: time });

/** Parts: BLAKE2b-256 of the whole package. */
export const PACKAGE = kind('p', 1, {
  size,
  md5,
  /** Chunk ids of its pieces (`PIECE_SIZE` of the protocol), in order; the last one may be shorter. */
  pieces: z.array(z.string().regex(CHUNK_ID_PATTERN)).max(65_536),
  /** When it was saved last: a grace period for what no entry refers to yet. */
  saved: time,
});
export type PackageRecord = RecordOf<typeof PACKAGE>;

/** Parts: name. */
export const USER = kind('u', 1, {
  role: z.enum(['user', 'admin']),
  /** `scrypt$…` (`access/password.ts`); absent: signs in by token only. */
  password: z.string().max(255).optional(),
  /** Bytes of uploads in all; absent: as many as there is room for. */
  quota: size.optional(),
  disabled: z.boolean(),
  created: time,
  /** Sessions (JWTs) that were given out before this are refused. */
  sessionsFrom: time,
});
export type User = RecordOf<typeof USER>;

/** What a token is good for: each includes those before it. */
export const SCOPES = ['read', 'publish', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** Parts: token id. */
export const TOKEN = kind('k', 1, {
  user: name,
  /** SHA-256 of the secret. */
  hash: digest,
  scope: z.enum(SCOPES),
  /** What it is for, in its owner's words. */
  note: z.string().max(200),
  created: time,
  expires: time.optional(),
  /** To the hour. */
  used: time.optional(),
});
export type Token = RecordOf<typeof TOKEN>;

/** Bytes that a user with a quota has uploaded. Parts: user. */
export const USAGE = kind('q', 1, { bytes: size });

/** What the hubs of one catalogue share. Parts: `jwt`, a secret of 32 bytes in hex. */
export const SETTING = kind('s', 1, { value: z.string().max(4096) });

/**
 * Who may read a chunk that no public flist has brought. Parts: chunk id. There is none for public
 * chunks, which is what makes them public.
 */
export const CHUNK_ACCESS = kind('x', 1, {
  /** Who has uploaded its bytes. */
  users: z.array(name).max(100_000),
  /** Whose readers may read it, because a flist there refers to it. */
  repositories: z.array(name).max(100_000),
  /** Of the last upload that found no such chunk: tells a collector that its chunk came back. */
  since: time,
});

export type ChunkAccess = RecordOf<typeof CHUNK_ACCESS>;

/** One line of the audit log. Parts: time as in `access/audit.ts`, newest first, and a random part. */
export const AUDIT = kind('a', 1, {
  time,
  /** Absent: anonymous. */
  user: name.optional(),
  token: z.string().max(64).optional(),
  address: z.string().max(64),
  action: z.string().max(64),
  target: z.string().max(512),
});
export type AuditLine = RecordOf<typeof AUDIT>;

/** A chunk to which nothing referred when the collector looked. Parts: chunk id. See `collect/collector.ts`. */
export const GARBAGE = kind('g', 1, {
  /** When it was found to be garbage, or was last promised to somebody. */
  since: time,
  /** While a collector is deleting it: who, and until when at most. */
  deleting: z.object({ by: z.string().max(64), until: time }).optional(),
});
export type Garbage = RecordOf<typeof GARBAGE>;

/** The collector that runs, of all hubs; there is one at a time. Parts: `collector`. */
export const RUN = kind('l', 1, { by: z.string().max(64), until: time });

/** A chunk that came as a block (`routes/blocks.ts`). Parts: chunk id. */
export const BLOCK = kind('d', 1, { size, created: time });

/** Who has uploaded which blocks. Parts: user (empty: nobody in particular), chunk id. */
export const USER_BLOCK = kind('e', 2, { size, created: time });

/** Of which file a block is. Parts: SHA-256 of the file, index of eight digits, chunk id. */
export const FILE_BLOCK = kind('h', 3, { created: time });

/** How often a block was downloaded. Parts: chunk id. */
export const DOWNLOADS = kind('n', 1, { count: size });

/** A file that was uploaded as a whole. Parts: SHA-256. */
export const FILE = kind('w', 1, {
  /** Of the {@link PACKAGE} that keeps its bytes. */
  digest,
  size,
  user: name.optional(),
  created: time,
});
export type FileRecord = RecordOf<typeof FILE>;

/** A record's key as text. @throws RangeError when the parts are not those of such a record */
export function keyText(record: RecordKind<unknown>, parts: readonly string[]): string {
  if (parts.length !== record.partCount || parts.some((part) => part.includes(SEPARATOR))) {
    throw new RangeError(`A key of kind ${record.letter} has ${record.partCount} parts`);
  }
  return [record.letter, ...parts].join(SEPARATOR);
}

export function keyOf(record: RecordKind<unknown>, parts: readonly string[]): Uint8Array {
  return Buffer.from(keyText(record, parts), 'utf8');
}

/** What the keys of all records of a kind begin with, or of those whose first parts these are. */
export function prefixOf(record: RecordKind<unknown>, parts: readonly string[]): Uint8Array {
  return Buffer.from([record.letter, ...parts, ''].join(SEPARATOR), 'utf8');
}

/** A key, whole or not, behind which a listing goes on. */
export function positionOf(record: RecordKind<unknown>, parts: readonly string[]): Uint8Array {
  return Buffer.from([record.letter, ...parts].join(SEPARATOR), 'utf8');
}

export function partsOf(key: Uint8Array): string[] {
  return Buffer.from(key).toString('utf8').split(SEPARATOR).slice(1);
}

export function encodeRecord<T>(record: RecordKind<T>, value: T): Uint8Array {
  return Buffer.from(JSON.stringify({ v: VERSION, ...record.schema.parse(value) }), 'utf8');
}

/** @throws ERR_IO when the bytes are no such record, or one of a newer hub */
export function decodeRecord<T>(record: RecordKind<T>, key: Uint8Array, bytes: Uint8Array): T {
  const where = `Record ${[record.letter, ...partsOf(key)].join('/')} of the catalogue`;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (error) {
    throw new G8Error('ERR_IO', `${where} is no JSON`, { cause: error });
  }
  const version = (value as { v?: unknown } | null)?.v;
  if (version !== VERSION) {
    throw new G8Error('ERR_IO', `${where} has version ${String(version)}, not ${VERSION}`);
  }
  const parsed = record.schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join('.');
  throw new G8Error('ERR_IO', `${where} has an invalid ${field || 'root'}`, {
    cause: parsed.error,
  });
}

type RecordOf<K> = K extends RecordKind<infer T> ? T : never;

function kind<S extends z.ZodRawShape>(
  letter: string,
  partCount: number,
  shape: S,
): RecordKind<z.infer<z.ZodObject<S>>> {
  return { letter, partCount, schema: z.object(shape) as never };
}
