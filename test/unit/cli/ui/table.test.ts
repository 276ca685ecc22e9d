import assert from 'node:assert/strict';
import test from 'node:test';
import { formatTable } from '../../../../src/cli/ui/table.ts';

const COLUMNS = [{ title: 'NAME' }, { title: 'SIZE', align: 'right' as const }, { title: 'X' }];

test('formatTable() lines columns up without borders', async () => {
  const rows = [
    ['a', '1', 'x'],
    ['longer', '1000', ''],
  ];
  assert.equal(
    await formatTable(COLUMNS, rows, { header: true, color: false }),
    'NAME    SIZE  X\na          1  x\nlonger  1000\n',
  );
});

test('formatTable() prints nothing for nothing', async () => {
  assert.equal(await formatTable(COLUMNS, [], { header: false, color: false }), '');
});
