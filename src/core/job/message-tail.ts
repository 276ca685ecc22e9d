/** The last messages of a stream, bounded in number and in size. */

const COUNT_MAX = 100;
/** Of all together, in UTF-16 units: a hundred unmarked messages fit. */
const LENGTH_MAX = 4 * 1024 * 1024;

export class MessageTail {
  readonly #texts: string[] = [];
  #length = 0;

  push(text: string): void {
    this.#texts.push(text);
    this.#length += text.length;
    while (this.#texts.length > COUNT_MAX || this.#length > LENGTH_MAX) {
      this.#length -= (this.#texts.shift() as string).length;
    }
  }

  toString(): string {
    return this.#texts.join('');
  }
}
