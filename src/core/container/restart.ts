/** Whether and when the command of a container is started again after its end. Pure. */
import { G8Error } from '../../base/errors.ts';

export type RestartPolicy =
  | { readonly when: 'no' | 'always' }
  /** `max`: how often; absent: for ever. */
  | { readonly when: 'on-failure'; readonly max?: number };

const FIRST_DELAY_MS = 500;
const DELAY_MAX_MS = 60_000;
/** A command that ran for this long was fine: the next delay is the first again, and it is the first failure. */
const FINE_MS = 10_000;

/** @throws ERR_USAGE */
export function parseRestartPolicy(text: string): RestartPolicy {
  if (text === 'no' || text === 'always') return { when: text };
  const match = /^on-failure(?::([1-9]\d{0,5}))?$/.exec(text);
  if (match === null) {
    throw new G8Error('ERR_USAGE', `'${text}' is not no, always, on-failure or on-failure:COUNT`);
  }
  return match[1] === undefined
    ? { when: 'on-failure' }
    : { when: 'on-failure', max: Number(match[1]) };
}

/** Counts the ends of one command. */
export class Restarts {
  readonly #policy: RestartPolicy;
  #failures = 0;
  #delayMs = FIRST_DELAY_MS;

  constructor(policy: RestartPolicy) {
    this.#policy = policy;
  }

  /**
   * @param exitCode of the run that has ended
   * @param ranMs how long it took
   * @returns milliseconds until the next one; `undefined` when there is none
   */
  next(exitCode: number, ranMs: number): number | undefined {
    const policy = this.#policy;
    if (policy.when === 'no' || (policy.when === 'on-failure' && exitCode === 0)) return undefined;
    if (ranMs >= FINE_MS) {
      this.#failures = 0;
      this.#delayMs = FIRST_DELAY_MS;
    }
    this.#failures++;
    if (policy.when === 'on-failure' && this.#failures > (policy.max ?? Number.POSITIVE_INFINITY)) {
      return undefined;
    }
    const delayMs = this.#delayMs;
    this.#delayMs = Math.min(delayMs * 2, DELAY_MAX_MS);
    return delayMs;
  }
}
