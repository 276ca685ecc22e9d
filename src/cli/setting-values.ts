/** From the words of a command line to the text of a setting, for the keys that tools know. */
import { G8Error, toG8Error } from '../base/errors.ts';
import {
  formatSetting,
  isKnownKey,
  isObject,
  type Json,
  type KnownKey,
  parseSetting,
} from '../format/flist/settings.ts';
import type { Context } from './context.ts';

export interface SettingFlags {
  readonly import?: string;
  readonly license?: string;
}

export interface SettingRequest {
  readonly key: string;
  readonly values: readonly string[];
  /** Text that is there now. */
  readonly known: string | undefined;
}

/** A readme of more is a book. */
const VALUE_SIZE_MAX = 1024 * 1024;

type Words = (values: readonly string[]) => Readonly<Record<string, Json>>;

/** Keys whose members are given one by one, and added to those that are there. */
const MEMBERS: Readonly<Partial<Record<KnownKey, Words>>> = {
  environ: members((word) => {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(word) ?? [];
    return name === undefined ? undefined : [name, value as string];
  }, 'NAME=VALUE'),
  port: members((word) => {
    const [, protocol = 'tcp', inner, outer = inner] =
      /^(?:(tcp|udp)\/)?(\d+)(?::(\d+))?$/.exec(word) ?? [];
    return inner === undefined ? undefined : [`${protocol}/${inner}`, Number(outer)];
  }, 'PROTOCOL/IN:OUT'),
  volume: members((word) => {
    const [, target, host] = /^([^:]+)(?::(.+))?$/s.exec(word) ?? [];
    return target === undefined ? undefined : [target, host === undefined ? {} : { host }];
  }, 'TARGET[:HOST]'),
};

function members(parse: (word: string) => [string, Json] | undefined, form: string): Words {
  return (values) =>
    Object.fromEntries(
      values.map((word) => {
        const member = parse(word);
        if (member === undefined) throw new G8Error('ERR_USAGE', `'${word}' is not ${form}`);
        return member;
      }),
    );
}

/**
 * The text to store.
 *
 * @throws ERR_USAGE when the values are none of that key
 */
export async function settingText(
  context: Context,
  { key, values, known }: SettingRequest,
  flags: SettingFlags,
): Promise<string> {
  if (key === '') throw new G8Error('ERR_USAGE', 'A setting needs a key');
  const isReadme = flags.import !== undefined || flags.license !== undefined;
  if (isReadme && key !== 'readme') {
    throw new G8Error('ERR_USAGE', '--import and --license are for the readme');
  }
  if (isReadme) return await readmeText(values, known, flags);
  if (values.length === 0) throw new G8Error('ERR_USAGE', `Give a value for ${key}`);
  const [only = ''] = values;
  const text = values.length === 1 && only === '-' ? await fromStdin(context) : undefined;
  if (!isKnownKey(key)) return text ?? values.join(' ');
  if (text !== undefined) return checked(key, parseSetting(key, text));
  if (values.length === 1 && /^\s*[{[]/.test(only)) return checked(key, parseSetting(key, only));
  return checked(key, fromWords(key, values, known));
}

function fromWords(key: KnownKey, values: readonly string[], known: string | undefined): Json {
  if (key === 'entrypoint') return values;
  const words = MEMBERS[key];
  if (words !== undefined) return { ...objectOf(key, known), ...words(values) };
  if (key === 'backend' && values.length === 1) return backendOf(values[0] as string);
  throw new G8Error('ERR_USAGE', `Value of ${key} is no JSON`);
}

function backendOf(text: string): Json {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'zdb:' || url.hostname === '') {
    throw new G8Error('ERR_USAGE', `'${text}' is not zdb://HOST:PORT[/NAMESPACE], nor JSON`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new G8Error(
      'ERR_USAGE',
      'Give a password in JSON from standard input, with - as the value',
    );
  }
  const namespace = decodeURIComponent(url.pathname.slice(1));
  return {
    ...(namespace !== '' && { namespace }),
    host: url.hostname,
    port: url.port === '' ? 9900 : Number(url.port),
  };
}

async function readmeText(
  values: readonly string[],
  known: string | undefined,
  flags: SettingFlags,
): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  if (values.length > 0) throw new G8Error('ERR_USAGE', 'Give either a value or --import');
  const { import: file, license } = flags;
  const readme =
    file === undefined
      ? undefined
      : await readFile(file, 'utf8').catch((error: unknown) => {
          throw toG8Error(error, 'ERR_IO', `${file} cannot be read`);
        });
  return checked('readme', {
    ...objectOf('readme', known),
    ...(readme !== undefined && { readme }),
    ...(license !== undefined && { license }),
  });
}

/**
 * The text without some members of its object.
 *
 * @throws ERR_NO_INPUT when one of them is not there, ERR_USAGE when it has no members
 */
export function withoutMembers(key: string, text: string, names: readonly string[]): string {
  if (!isKnownKey(key) || key === 'entrypoint') {
    throw new G8Error('ERR_USAGE', `${key} has no members`);
  }
  const rest = { ...objectOf(key, text) };
  for (const name of names) {
    // Ports are TCP unless something else is said, as when they are set.
    const member = key === 'port' && /^\d+$/.test(name) ? `tcp/${name}` : name;
    if (!(member in rest)) throw new G8Error('ERR_NO_INPUT', `${key} has no ${name}`);
    delete rest[member];
  }
  return formatSetting(rest);
}

function objectOf(key: KnownKey, text: string | undefined): Readonly<Record<string, Json>> {
  if (text === undefined) return {};
  const value = parseSetting(key, text);
  return isObject(value) ? value : {};
}

/** The value as text, once it has the shape of its key. */
function checked(key: KnownKey, value: Json): string {
  const text = formatSetting(value);
  if (text.length > VALUE_SIZE_MAX) {
    throw new G8Error('ERR_USAGE', `Value of ${key} is larger than ${VALUE_SIZE_MAX} characters`);
  }
  parseSetting(key, text);
  return text;
}

async function fromStdin({ stdin }: Context): Promise<string> {
  if (stdin === undefined) throw new G8Error('ERR_USAGE', 'Standard input is a terminal');
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of stdin) {
    size += piece.length;
    if (size > VALUE_SIZE_MAX) throw new G8Error('ERR_USAGE', 'The value is too large');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString().replace(/\n$/, '');
}
