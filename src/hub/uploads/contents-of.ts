/** Contents of the files of a tree, each inode once. */
import type { Content } from '../../format/content.ts';
import type { Inode } from '../../format/tree.ts';

export function* contentsOf(root: Inode): Generator<Content> {
  const seen = new Set<Inode>();
  const todo = [root];
  for (let inode = todo.pop(); inode !== undefined; inode = todo.pop()) {
    if (seen.has(inode)) continue;
    seen.add(inode);
    if (inode.content !== undefined) yield inode.content;
    for (const entry of inode.entries ?? []) todo.push(entry.inode);
  }
}
