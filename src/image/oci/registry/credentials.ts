/**
 * Credentials for registries, from the files that docker, podman and skopeo keep them in, and from the
 * helpers those name. Read anew for each registry. Secrets never become part of a message.
 *
 * @see docker-login(1), containers-auth.json(5)
 */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { G8Error, toG8Error } from '../../../base/errors.ts';
import { HUB_CREDENTIALS_KEY, type RegistryReference } from '../../../format/oci/reference.ts';
import {
  askHelper,
  type Credentials,
  type HelperOptions,
} from '../../../store/credential-helper.ts';

const FILE_SIZE_MAX = 1024 * 1024;

const entrySchema = z.object({
  auth: z.string().nullish(),
  username: z.string().nullish(),
  password: z.string().nullish(),
  identitytoken: z.string().nullish(),
});

const fileSchema = z.object({
  auths: z.record(z.string(), entrySchema.nullish()).nullish(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
  credsStore: z.string().nullish(),
});

type AuthFile = z.infer<typeof fileSchema>;

/**
 * Finds credentials for an image.
 *
 * @returns `undefined` when no file has any: registries give public images to everybody
 * @throws ERR_CONFIG for a broken file or helper, ERR_PERMISSION, ERR_TIMEOUT
 */
export async function findCredentials(
  reference: Pick<RegistryReference, 'registry' | 'repository'>,
  options: HelperOptions,
): Promise<Credentials | undefined> {
  for (const { path, required } of authFiles(options.env)) {
    const file = await readAuthFile(path, required);
    if (file === undefined) continue;
    const found = await findInFile(file, path, reference, options);
    if (found !== undefined) return found;
  }
  return undefined;
}

interface FilePlace {
  readonly path: string;
  /** Named by the user: it has to be there. */
  readonly required: boolean;
}

function authFiles(env: HelperOptions['env']): FilePlace[] {
  const places: FilePlace[] = [];
  const add = (folder: string | undefined, name: string, required = false): void => {
    if (folder) places.push({ path: join(folder, name), required });
  };
  const home = env['HOME'];
  if (env['REGISTRY_AUTH_FILE']) places.push({ path: env['REGISTRY_AUTH_FILE'], required: true });
  add(env['XDG_RUNTIME_DIR'], 'containers/auth.json');
  add(env['XDG_CONFIG_HOME'] || (home && join(home, '.config')), 'containers/auth.json');
  add(env['DOCKER_CONFIG'] || (home && join(home, '.docker')), 'config.json');
  return places;
}

async function readAuthFile(path: string, required: boolean): Promise<AuthFile | undefined> {
  let text: string;
  try {
    text = await readBounded(path);
  } catch (error) {
    const failure = toG8Error(error, 'ERR_IO', `Credentials in ${path} cannot be read`);
    if (failure.code === 'ERR_NO_INPUT' && !required) return undefined;
    throw failure;
  }
  let document: unknown;
  try {
    document = text.trim() === '' ? {} : JSON.parse(text);
  } catch {
    // The parser's message would show a part of the file.
    throw new G8Error('ERR_CONFIG', `Credentials in ${path} are no JSON`);
  }
  const parsed = fileSchema.safeParse(document);
  if (parsed.success) return parsed.data;
  throw new G8Error('ERR_CONFIG', `Credentials in ${path} have an unknown form`);
}

async function readBounded(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const bytes = Buffer.alloc(FILE_SIZE_MAX);
    const { bytesRead } = await file.read(bytes, 0, FILE_SIZE_MAX, 0);
    if (bytesRead === FILE_SIZE_MAX) {
      throw new G8Error(
        'ERR_CONFIG',
        `Credentials in ${path} are more than ${FILE_SIZE_MAX} bytes`,
      );
    }
    return bytes.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

async function findInFile(
  file: AuthFile,
  path: string,
  { registry, repository }: Pick<RegistryReference, 'registry' | 'repository'>,
  options: HelperOptions,
): Promise<Credentials | undefined> {
  const server = registry === 'docker.io' ? HUB_CREDENTIALS_KEY : registry;
  const helpers = [file.credHelpers?.[registry], file.credsStore];
  for (const helper of helpers) {
    const found = helper ? await askHelper(helper, server, options) : undefined;
    if (found !== undefined) return found;
  }
  const entries = new Map<string, z.infer<typeof entrySchema>>();
  for (const [key, entry] of Object.entries(file.auths ?? {})) {
    if (entry) entries.set(bareKey(key), entry);
  }
  for (const key of candidateKeys(registry, repository)) {
    const entry = entries.get(key);
    const found = entry === undefined ? undefined : credentialsOf(entry, path);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** From the image's own name up to its registry's. */
function candidateKeys(registry: string, repository: string): string[] {
  const names = repository.split('/');
  const keys = names.map((_, i) => [registry, ...names.slice(0, names.length - i)].join('/'));
  return [...keys, registry];
}

/** docker writes URLs, podman plain names; docker's own registry has a key of its own. */
function bareKey(key: string): string {
  const bare = key.replace(/^https?:\/\//, '').replace(/\/(v[12]\/?)?$/, '');
  return bare === 'index.docker.io' || bare === 'registry-1.docker.io' ? 'docker.io' : bare;
}

function credentialsOf(entry: z.infer<typeof entrySchema>, path: string): Credentials | undefined {
  if (entry.identitytoken) return { identityToken: entry.identitytoken };
  if (entry.auth) {
    const pair = Buffer.from(entry.auth, 'base64').toString('utf8');
    const colon = pair.indexOf(':');
    if (colon < 0) throw new G8Error('ERR_CONFIG', `Credentials in ${path} have an unknown form`);
    // docker fills passwords up with NULs.
    return { username: pair.slice(0, colon), password: pair.slice(colon + 1).replace(/\0+$/, '') };
  }
  if (entry.username && entry.password) {
    return { username: entry.username, password: entry.password };
  }
  return undefined;
}
