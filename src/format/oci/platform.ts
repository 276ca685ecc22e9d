/** Platforms of images, `os/arch[/variant]`: names made one, and the best choice among several. Pure. */
import { G8Error } from '../../base/errors.ts';
import { showText } from './malformed.ts';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** Absent where it is the architecture's first one: `v1` of amd64, `v8` of arm64. */
  readonly variant?: string;
}

/** Names of other tools and of kernels. */
const ARCHITECTURES: Readonly<Record<string, readonly [architecture: string, variant?: string]>> = {
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  x64: ['amd64'],
  ia32: ['386'],
  i386: ['386'],
  i686: ['386'],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
  ppc64el: ['ppc64le'],
  mipsel: ['mipsle'],
};

/** A variant that says nothing: everything of its architecture has it. */
const FIRST_VARIANT: Readonly<Record<string, string>> = { amd64: 'v1', arm64: 'v8' };
/** Of 32-bit ARM, what is meant when nothing is said. */
const ARM_VARIANT = 'v7';

/** Gives a platform the one spelling that this project uses. */
export function normalizePlatform(
  os: string,
  architecture: string,
  variant: string | undefined,
): Platform {
  const [name = architecture, known] = ARCHITECTURES[architecture.toLowerCase()] ?? [
    architecture.toLowerCase(),
  ];
  const wanted = variant || known || (name === 'arm' ? ARM_VARIANT : undefined);
  const full = wanted?.replace(/^(?=\d)/, 'v');
  return {
    os: os.toLowerCase(),
    architecture: name,
    ...(full !== undefined && full !== FIRST_VARIANT[name] && { variant: full }),
  };
}

/**
 * Reads what a user asks for.
 *
 * @throws ERR_USAGE
 */
export function parsePlatform(text: string): Platform {
  const match = /^([a-z0-9]{1,32})\/([A-Za-z0-9_-]{1,32})(?:\/([A-Za-z0-9.]{1,32}))?$/.exec(text);
  if (match === null) {
    throw new G8Error('ERR_USAGE', `Platform is '${showText(text)}', not OS/ARCH[/VARIANT]`);
  }
  return normalizePlatform(match[1] as string, match[2] as string, match[3]);
}

/** The platform of a machine, by Node's names. */
export function platformOfMachine(os: string, architecture: string): Platform {
  return normalizePlatform(os, architecture, undefined);
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/**
 * How well an image runs where `wanted` is: 0 not at all, more is better. A processor runs what was made
 * for older variants of its family.
 */
export function rankPlatform(wanted: Platform, offered: Platform): number {
  if (wanted.os !== offered.os || wanted.architecture !== offered.architecture) return 0;
  const [most, least] = [variantNumber(wanted), variantNumber(offered)];
  if (wanted.variant === offered.variant) return 1000;
  if (most === undefined || least === undefined) return 0;
  return least <= most ? 1 + least : 0;
}

function variantNumber({ architecture, variant }: Platform): number | undefined {
  const text = variant ?? FIRST_VARIANT[architecture];
  const match = /^v(\d{1,2})$/.exec(text ?? '');
  return match === null ? undefined : Number(match[1]);
}
