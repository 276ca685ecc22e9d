/** Names in requests: what is wrong with one, said so that it can be put right. */
import { isRepositoryName, isReservedName } from './names.ts';
import { Problem } from './problem.ts';

/** @throws Problem 400 when a repository cannot have this name */
export function assertRepositoryName(name: string): void {
  if (isRepositoryName(name)) return;
  if (isReservedName(name)) {
    throw new Problem(400, `No repository can be named ${name}: paths of the hub begin with that`);
  }
  const allowed = 'letters, digits and ._+@:=~-, not .. and at first no other sign than _';
  throw new Problem(400, `The repository name is not allowed. It may have ${allowed}`);
}
