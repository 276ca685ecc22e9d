/**
 * The administrator's word on what may be mounted: a JSON file of rules, the first of which that fits an image and
 * its place decides whose signature it needs. Read anew for each mount by the daemon, so that it holds whoever asks.
 */
import { lstatSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { G8Error, toG8Error } from '../base/errors.ts';
import { readPublicKey } from '../image/signature-files.ts';
import { fitsPattern, plainSource } from './source-pattern.ts';

const FILE_SIZE_MAX = 1024 * 1024;
const OTHERS_WRITE = 0o022;

const pattern = z.string().min(1).max(4096);
const demand = z.union([
  z.strictObject({ signedBy: z.array(z.string().startsWith('/')).min(1).max(64) }),
  z.enum(['unsigned', 'refuse']),
]);
const schema = z.strictObject({
  version: z.literal(1),
  rules: z
    .array(
      z.strictObject({
        /** Paths or URLs of flists; one that ends in `*` is the beginning of them. Absent: all. */
        sources: z.array(pattern).min(1).max(256).optional(),
        /** The same for mount points. */
        mountPoints: z.array(pattern).min(1).max(256).optional(),
        demand,
      }),
    )
    .max(1024),
  /** For what no rule fits. */
  otherwise: demand,
});

/** What a mount needs: raw public keys, one of which must have signed; `undefined` when none has to. */
export type RequiredKeys = readonly string[] | undefined;

/**
 * @param path of the policy
 * @param mustExist an absent file is an error; otherwise it demands nothing
 * @throws ERR_PERMISSION when the policy refuses the mount; ERR_CONFIG when it makes no sense, or when somebody
 *   else could have written it
 */
export async function keysByPolicy(
  path: string,
  mount: { readonly source: string; readonly mountPoint: string },
  mustExist: boolean,
): Promise<RequiredKeys> {
  const policy = readPolicy(path, mustExist);
  if (policy === undefined) return undefined;
  const source = plainSource(mount.source);
  const rule = policy.rules.find(
    ({ sources, mountPoints }) => fits(source, sources) && fits(mount.mountPoint, mountPoints),
  );
  const wanted = rule?.demand ?? policy.otherwise;
  if (wanted === 'unsigned') return undefined;
  if (wanted === 'refuse') {
    const message = `Policy ${path} does not allow ${source} at ${mount.mountPoint}`;
    throw new G8Error('ERR_PERMISSION', message);
  }
  const keys = await Promise.all(wanted.signedBy.map((file) => readPublicKey(file)));
  return keys.map((key) => Buffer.from(key).toString('base64'));
}

function readPolicy(path: string, mustExist: boolean): z.infer<typeof schema> | undefined {
  let text: string;
  try {
    const { uid, mode, size } = lstatSync(path);
    const isOurs = uid === 0 || uid === process.getuid?.();
    if (!isOurs || (mode & OTHERS_WRITE) !== 0) {
      throw new G8Error('ERR_CONFIG', `Others may write the policy ${path}`);
    }
    if (size > FILE_SIZE_MAX) throw new G8Error('ERR_CONFIG', `Policy ${path} is too large`);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !mustExist) return undefined;
    throw toG8Error(error, 'ERR_CONFIG', `Policy ${path} cannot be read`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new G8Error('ERR_CONFIG', `Policy ${path} is no JSON`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') || 'root';
  throw new G8Error('ERR_CONFIG', `Policy ${path} has an invalid ${where}: ${issue?.message}`);
}

function fits(name: string, patterns: readonly string[] | undefined): boolean {
  if (patterns === undefined) return true;
  return patterns.some((each) => fitsPattern(name, each));
}
