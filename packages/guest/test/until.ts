/** Asks again until the answer is yes; fails after 5 s. For conditions that nothing announces. */
export async function until(condition: () => Promise<boolean> | boolean, what = 'condition'): Promise<void> {
  const deadline = performance.now() + 5000
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} did not come true`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
