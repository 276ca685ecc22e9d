/**
 * Lets small contents that nobody waits for leave together with one that a reader waits for: each side gets ready by
 * itself, and both go to the store in the same turn of the event loop, the reader's first.
 */

/** One side of a departure. None of its methods throws. */
export interface Departure {
  /** It is ready; resolves when the chunks may be asked for. */
  before(): Promise<void>;
  /** They have been asked for. */
  gone(): void;
  /** It is over, whether they were asked for or not. */
  end(): void;
}

export class Boarding {
  /** Of what the reader waits for. */
  readonly lead: Departure;
  /** Of what goes along. */
  readonly rider: Departure;

  /** @param cancel called when the reader's side is over without having gone anywhere */
  constructor(cancel: () => void) {
    const ready = signal();
    const left = signal();
    let isGone = false;
    this.lead = {
      before: () => ready.promise,
      gone: () => {
        isGone = true;
        left.give();
      },
      end: () => {
        if (!isGone) cancel();
        left.give();
      },
    };
    this.rider = {
      before: () => {
        ready.give();
        return left.promise;
      },
      gone: () => {},
      end: ready.give,
    };
  }
}

function signal(): { readonly promise: Promise<void>; readonly give: () => void } {
  let give = (): void => {};
  const promise = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { promise, give };
}
