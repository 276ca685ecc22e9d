/**
 * Folders of a tree (and files, when they have rows) by their number in pre-order, with sums: what `usage.ts`
 * counts in. Numbers in columns, so that a million nodes take a few dozen megabytes.
 */
import { Numbers } from './chunk-table.ts';

export class UsageNodes {
  count = 0;
  readonly #parent = new Numbers();
  /** The nearest folder above that is still open, in few steps. */
  readonly #open = new Numbers();
  /** Number behind those below. */
  readonly #end = new Numbers();
  readonly size = new Numbers();
  readonly stored = new Numbers();
  readonly unique = new Numbers();
  readonly shared = new Numbers();
  readonly entries = new Numbers();

  enter(parent: number): number {
    const node = this.count++;
    this.#parent.set(node, parent);
    this.#open.set(node, node);
    return node;
  }

  leave(node: number): void {
    this.#open.set(node, this.#parent.get(node));
    this.#end.set(node, this.count);
  }

  /** The last node below this one, or itself. */
  lastBelow(node: number): number {
    return this.#end.get(node) - 1;
  }

  /** Lowest common folder of a node seen earlier and the one that is being read. */
  common(node: number): number {
    let top = node;
    while (this.#open.get(top) !== top) top = this.#open.get(top);
    for (let at = node; at !== top; ) {
      const next = this.#open.get(at);
      this.#open.set(at, top);
      at = next;
    }
    return top;
  }

  /** Adds what is in each node to the one above. */
  sum(): void {
    for (let node = this.count - 1; node > 0; node--) {
      const parent = this.#parent.get(node);
      for (const column of [this.size, this.stored, this.unique, this.shared, this.entries]) {
        column.add(parent, column.get(node));
      }
    }
  }
}
