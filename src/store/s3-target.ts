/**
 * What an `s3:` or `s3s:` URL means. Pure but for the environment it is given.
 *
 *     s3://bucket[/prefix][?endpoint=URL&region=NAME]     without an endpoint: that of AWS in the region
 *     s3://[key:secret@]host:port/bucket[/prefix]         the form of the historical tools, by HTTP; s3s: by HTTPS
 *
 * Keys come from the URL, else from `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`; with
 * none of both, requests are not signed, as public buckets allow.
 */
import { G8Error } from '../base/errors.ts';
import { parseBackendUrl } from './backend-url.ts';

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

export interface S3Target {
  /** URL without credentials. */
  readonly name: string;
  /** `http://host:port` or `https://…`, no path. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** In front of each object's name; empty, or ending with a slash. */
  readonly prefix: string;
  readonly credentials: S3Credentials | undefined;
}

export const S3_SCHEMES: readonly string[] = ['s3', 's3s'];

const REGION = 'us-east-1';
const PREFIX_SIZE_MAX = 512;

/**
 * @param env where keys are when the URL has none; `{}` for a URL that came from elsewhere
 * @throws ERR_CONFIG
 */
export function parseS3Target(url: string, env: NodeJS.ProcessEnv): S3Target {
  const { name, scheme, hosts, path, query, username, password } = parseBackendUrl(url, [
    'endpoint',
    'region',
  ]);
  const problem = (reason: string) => new G8Error('ERR_CONFIG', `Store ${name} ${reason}`);
  const [server] = hosts;
  if (server === undefined || hosts.length > 1) throw problem('has more than one host');
  const segments = path.split('/').filter((segment) => segment !== '');
  const region = query.get('region') ?? env['AWS_REGION'] ?? REGION;
  if (!/^[a-z0-9-]{1,64}$/i.test(region)) throw problem('has a bad region');
  let endpoint = query.get('endpoint');
  let bucket: string;
  if (server.port !== undefined) {
    if (endpoint !== undefined) throw problem('has a port and an endpoint');
    const host = server.host.includes(':') ? `[${server.host}]` : server.host;
    endpoint = `${scheme === 's3s' ? 'https' : 'http'}://${host}:${server.port}`;
    bucket = segments.shift() ?? '';
  } else {
    endpoint ??= `https://s3.${region}.amazonaws.com`;
    bucket = server.host;
  }
  const form = /^(https?:\/\/[a-z0-9.:[\]-]+)\/?$/i.exec(endpoint);
  if (form === null) throw problem('has an endpoint that is no http or https address');
  if (!/^[a-z0-9][a-z0-9._-]{1,254}$/i.test(bucket)) throw problem('has no valid bucket');
  const prefix = segments.map((segment) => `${segment}/`).join('');
  if (prefix.length > PREFIX_SIZE_MAX || segments.some((segment) => /^\.\.?$/.test(segment))) {
    throw problem('has a bad prefix');
  }
  if ((username === undefined) !== (password === undefined)) {
    throw problem('has half of a pair of keys');
  }
  const credentials = credentialsOf(username, password, env);
  return { name, endpoint: form[1] as string, region, bucket, prefix, credentials };
}

function credentialsOf(
  username: string | undefined,
  password: string | undefined,
  env: NodeJS.ProcessEnv,
): S3Credentials | undefined {
  if (username !== undefined && password !== undefined) {
    return { accessKeyId: username, secretAccessKey: password, sessionToken: undefined };
  }
  const accessKeyId = env['AWS_ACCESS_KEY_ID'];
  const secretAccessKey = env['AWS_SECRET_ACCESS_KEY'];
  if (!accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken: env['AWS_SESSION_TOKEN'] };
}
