import assert from 'node:assert/strict';
import test from 'node:test';
import { escapeLabel, MetricsText } from '../../../src/base/metrics-text.ts';

test('MetricsText writes families with help and type', () => {
  const text = new MetricsText();
  text.counter('a_total', 'How many', 3);
  text.gauge('b', 'How much', 0.5, `name="${escapeLabel('x"\\\n')}"`);
  text.family('counter', 'c_total', 'By kind', () => [
    ['kind="one"', 1],
    ['kind="two"', 2],
  ]);
  assert.equal(
    text.toString(),
    `# HELP a_total How many
# TYPE a_total counter
a_total 3
# HELP b How much
# TYPE b gauge
b{name="x\\"\\\\\\n"} 0.5
# HELP c_total By kind
# TYPE c_total counter
c_total{kind="one"} 1
c_total{kind="two"} 2
`,
  );
});

test('MetricsText adds the classes of a histogram up', () => {
  const text = new MetricsText();
  text.histogram('t_seconds', 'Times', { ends: [0.1, 1], counts: [2, 0, 3], count: 5, sum: 9.5 });
  assert.deepEqual(text.toString().split('\n').slice(2, -1), [
    't_seconds_bucket{le="0.1"} 2',
    't_seconds_bucket{le="1"} 2',
    't_seconds_bucket{le="+Inf"} 5',
    't_seconds_sum 9.5',
    't_seconds_count 5',
  ]);
});
