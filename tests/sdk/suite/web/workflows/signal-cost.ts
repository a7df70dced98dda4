async function trivial(given: { abortSignal?: AbortSignal; index: number }) {
  "use step";
  return given.index;
}

export async function signalCostWorkflow(input: { count: number; withSignal: boolean }) {
  "use workflow";
  const controller = new AbortController();
  for (let index = 0; index < input.count; index++) {
    await trivial({ abortSignal: input.withSignal ? controller.signal : undefined, index });
  }
  return "done";
}
