// A reporter for `node --test`: one line for each failed test, its compiled file and its name, separated by a tab.
// A suite that failed only because a test in it did is not named, and neither is the file around them.

/** @param {AsyncIterable<{type: string, data: any}>} events */
export default async function* failedTests(events) {
  for await (const { type, data } of events) {
    if (type !== 'test:fail') continue;
    const inner = data.details?.error?.failureType === 'subtestsFailed';
    if (!inner) yield `${data.file ?? data.name}\t${data.name.replaceAll(/\s+/g, ' ')}\n`;
  }
}
