/** Start profiles as files: beside their flist, on disk or on a hub. */
import { PROFILE_SIZE_MAX, type Profile, parseProfile } from '../format/profile.ts';
import { placeBeside, readBesideFile } from './beside.ts';

const PROFILE_SUFFIX = '.profile';

/** Where the profile of a flist is looked for. */
export function profilePlace(source: string): string {
  return placeBeside(source, PROFILE_SUFFIX);
}

/**
 * @param place path or http(s) URL of a profile
 * @returns `undefined` when there is no such file
 * @throws ERR_FLIST_FORMAT, ERR_FLIST_VERSION, ERR_IO, ERR_STORE_UNAVAILABLE and its kin
 */
export async function readProfile(
  place: string,
  signal?: AbortSignal,
): Promise<Profile | undefined> {
  const options = { sizeMax: PROFILE_SIZE_MAX, what: 'Profile', signal };
  const text = await readBesideFile(place, options);
  return text === undefined ? undefined : parseProfile(text);
}
