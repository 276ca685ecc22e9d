/**
 * A child that reads files one after the other and prints how long each took, in microseconds: JSON array.
 *
 *   node read-each.js LIST    where LIST has one path a line
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';

const buffer = Buffer.alloc(1 << 20);
const list = process.argv[2] as string;
const times: number[] = [];
for (const path of readFileSync(list, 'utf8').split('\n').filter(Boolean)) {
  const start = process.hrtime.bigint();
  const fd = openSync(path, 'r');
  while (readSync(fd, buffer) > 0);
  closeSync(fd);
  times.push(Number(process.hrtime.bigint() - start) / 1000);
}
process.stdout.write(JSON.stringify(times));
