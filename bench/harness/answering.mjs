/** Answers what the parent asks of this process, by the name of the question, until it lets go. What is thrown is told it, too. */
export function answerParent(answers) {
  process.on('message', async ({ id, ask, ...details }) => {
    try {
      process.send({ id, answer: (await answers[ask](details)) ?? null });
    } catch (error) {
      process.send({ id, error: error.message });
    }
  });
  process.on('disconnect', () => process.exit());
}
