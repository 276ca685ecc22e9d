/** What the parameters in paths are, by their names: the patterns are those that names are checked with. Pure. */
import { CHUNK_ID_PATTERN } from '../../store/chunk-id.ts';
import { NAME_PATTERN, NAME_SIZE_MAX } from '../names.ts';

interface Described {
  readonly description: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

const NAME = {
  type: 'string',
  minLength: 1,
  maxLength: NAME_SIZE_MAX,
  pattern: NAME_PATTERN.source,
};
const CHUNK = { type: 'string', pattern: CHUNK_ID_PATTERN.source };
const TEXT = { type: 'string' };

const PARAMETERS: Readonly<Record<string, Described>> = {
  repository: { description: 'Name of a repository', schema: NAME },
  flist: { description: 'Name of a flist, with or without .flist', schema: NAME },
  name: { description: 'Name of a flist, with or without .flist', schema: NAME },
  source: { description: 'Name of a flist, with or without .flist', schema: NAME },
  destination: { description: 'Name that is to be given', schema: NAME },
  linkname: { description: 'Name that is to be given', schema: NAME },
  localname: { description: 'Name that is to be given', schema: NAME },
  target: { description: 'Name that is to be given', schema: NAME },
  tag: { description: 'Name of a tag', schema: NAME },
  user: { description: 'Name of a user', schema: NAME },
  file: { description: 'A file beside or of a flist, or a chunk id', schema: TEXT },
  id: { description: 'Chunk id', schema: CHUNK },
  hash: { description: 'Digest in lower-case hex', schema: CHUNK },
  prefix: {
    description: 'First two digits of the chunk id',
    schema: { type: 'string', pattern: '^[0-9a-f]{2}$' },
  },
  token: { description: 'Id of a token', schema: TEXT },
  job: { description: 'Id of a job', schema: { type: 'string', format: 'uuid' } },
  path: { description: 'Path of a file in a flist', schema: TEXT },
};

/** @throws RangeError for a parameter that nobody has described */
export function describeParameter(name: string): Described {
  const described = PARAMETERS[name];
  if (described === undefined) throw new RangeError(`The parameter ${name} is not described`);
  return described;
}
