/**
 * Waits for a fact: asks until the answer is neither undefined nor false, and answers it. Fails after `withinMs`, saying what
 * it waited for. Tests never sleep for a guessed time.
 */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined | false> | T | undefined | false, withinMs = 15_000): Promise<T> {
  for (const deadline = Date.now() + withinMs; ; ) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > deadline) throw new Error(`Not within ${withinMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}
