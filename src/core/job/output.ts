/**
 * Takes the output of a process apart into messages with levels.
 *
 * A line may begin with `<n>::`, which gives this line the level n, or with `<n>:::`, which gives it to all
 * that follows up to a line `:::`. All other text has the level of its stream and goes on as it comes. Marked
 * lines are joined over reads, and what is not finished at the end of the output is given out then.
 */

export interface Message {
  readonly level: number;
  /** As it was read, new-lines included. */
  readonly text: string;
}

/** Unmarked text of one message, in UTF-16 units; the protocol's readers expect as much. */
const PIECE_LENGTH_MAX = 32 * 1024;
/** A marked message is cut here: a result of this size has no reader. */
const MARKED_LENGTH_MAX = 4 * 1024 * 1024;

const HEADER = /^(\d{1,2})::(:?)/;
/** What may yet become a header when more is read. */
const HEADER_BEGIN = /^\d{1,2}:{0,2}$/;
const TERMINATOR = ':::';
const TERMINATOR_BEGIN = /^:{1,3}\r?$/;

export class OutputParser {
  readonly #level: number;
  readonly #emit: (message: Message) => void;
  /** Begin of a line that means nothing yet. */
  #held = '';
  #atLineStart = true;
  /** Unmarked text of this read. */
  #plain = '';
  /** Level of a multi-line message that is open. */
  #block: number | undefined;
  #body: string[] = [];
  #bodyLength = 0;

  /** @param level of text that says nothing else: 1 for stdout, 2 for stderr */
  constructor(level: number, emit: (message: Message) => void) {
    this.#level = level;
    this.#emit = emit;
  }

  /** Takes text as it was read. */
  push(text: string): void {
    const all = this.#held + text;
    this.#held = '';
    for (let at = 0; at < all.length; ) {
      const end = all.indexOf('\n', at) + 1;
      const line = all.slice(at, end === 0 ? undefined : end);
      const isWhole = end !== 0;
      if (
        this.#block === undefined ? this.#textLine(line, isWhole) : this.#blockLine(line, isWhole)
      ) {
        this.#atLineStart = isWhole;
      } else {
        this.#held = line;
      }
      at += line.length;
    }
    this.#endPlain();
  }

  /** The output has ended: gives out what was waiting for more. */
  end(): void {
    const line = this.#held;
    this.#held = '';
    if (this.#block !== undefined) {
      if (line !== TERMINATOR) this.#addToBlock(line);
      this.#endBlock();
      return;
    }
    const [header, level] = HEADER.exec(line) ?? [];
    if (header === undefined) this.#plain += line;
    else this.#emit({ level: Number(level), text: line.slice(header.length) });
    this.#endPlain();
  }

  /** @returns false when the line has to wait for its rest */
  #textLine(line: string, isWhole: boolean): boolean {
    if (this.#atLineStart) {
      const [header, level, isBlock] = HEADER.exec(line) ?? [];
      if (header !== undefined) {
        // `20::` may still become `20:::`, and a marked line is one message.
        if (isBlock === '' && !isWhole && line.length < MARKED_LENGTH_MAX) return false;
        this.#endPlain();
        const text = line.slice(header.length);
        if (isBlock === '') this.#emit({ level: Number(level), text });
        else {
          this.#block = Number(level);
          this.#addToBlock(text);
        }
        return true;
      }
      if (!isWhole && HEADER_BEGIN.test(line)) return false;
    }
    this.#plain += line;
    return true;
  }

  /** @returns false when the line has to wait for its rest */
  #blockLine(line: string, isWhole: boolean): boolean {
    if (this.#atLineStart) {
      if (isWhole && line.replace(/\r?\n$/, '') === TERMINATOR) {
        this.#endBlock();
        return true;
      }
      if (!isWhole && TERMINATOR_BEGIN.test(line)) return false;
    }
    this.#addToBlock(line);
    return true;
  }

  #addToBlock(text: string): void {
    this.#body.push(text);
    this.#bodyLength += text.length;
    if (this.#bodyLength >= MARKED_LENGTH_MAX) this.#giveOutBlock();
  }

  #endBlock(): void {
    this.#giveOutBlock();
    this.#block = undefined;
  }

  #giveOutBlock(): void {
    const text = this.#body.join('');
    this.#body = [];
    this.#bodyLength = 0;
    if (text !== '') this.#emit({ level: this.#block as number, text });
  }

  #endPlain(): void {
    const text = this.#plain;
    this.#plain = '';
    for (let at = 0; at < text.length; at += PIECE_LENGTH_MAX) {
      this.#emit({ level: this.#level, text: text.slice(at, at + PIECE_LENGTH_MAX) });
    }
  }
}
