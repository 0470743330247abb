import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';

/**
 * Asks who sits at a terminal. Anything but "yes" is a no: another word, Ctrl+C, Ctrl+D, and a terminal that goes away,
 * after which the question of some versions of Node waits for ever.
 */
export async function askForYes(
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
  question: string,
): Promise<boolean> {
  const terminal = createInterface({ input, output });
  const gone = once(terminal, 'close').then(() => '');
  const answered = terminal.question(`${question} Type "yes" to go on: `).catch(() => '');
  const answer = await Promise.race([answered, gone]);
  terminal.close();
  return answer.trim() === 'yes';
}
