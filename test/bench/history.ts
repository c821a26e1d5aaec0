import { join } from 'node:path';
import { History } from '../../src/history/history.ts';
import { fillDatabase, makeDatabase, opencodeSchema } from '../support/history.ts';
import { tempDir } from '../support/temp.ts';
import { type Measure, sampled } from './report.ts';
import { repeat, timed } from './sample.ts';

const MESSAGES = 100_000;

/** Reading of another program's conversations, in this process. */
export const history: Measure = {
  name: 'history',
  title: 'History',
  how: `An OpenCode database of today's schema with one conversation of ${MESSAGES.toLocaleString('en-US')} messages of 170 characters. Searched for words that are nowhere (everything is looked at) and for words of the newest messages; read in pages of 200.`,
  run: async ({ isQuick }) => {
    await using dir = await tempDir();
    const file = join(dir.path, '.local', 'share', 'opencode', 'opencode.db');
    await makeDatabase(file, opencodeSchema());
    fillDatabase(file, MESSAGES);
    const opened = new History({ environment: { HOME: dir.path }, home: dir.path, projects: () => [] });
    const times = isQuick ? 5 : 20;
    const search = (text: string): Promise<number[]> =>
      repeat(times, () => timed(() => opened.search({ text, limit: 20 })));
    const nowhere = await search('nothing like it');
    const newest = await search('hay hay');
    const pages = await repeat(times * 5, (i) => {
      const after = `msg_${String((i * 7_919) % (MESSAGES - 200)).padStart(8, '0')}`;
      return timed(() => opened.messages('ses_long', { after, limit: 200 }));
    });
    return [
      sampled(`search ${MESSAGES.toLocaleString('en-US')} messages, nothing found`, 'ms', nowhere),
      sampled('search, found in the newest', 'ms', newest),
      sampled('a page of 200 messages', 'ms', pages),
    ];
  },
};
