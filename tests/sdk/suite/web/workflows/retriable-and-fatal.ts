import { FatalError, getStepMetadata, RetryableError } from "workflow";

async function failsOnce() {
  "use step";
  const { attempt, stepStartedAt } = getStepMetadata();
  if (attempt === 1) throw new RetryableError("later", { retryAfter: "2s" });
  return { attempt, stepStartedAt, duration: Date.now() - stepStartedAt.getTime() };
}

async function fails() {
  "use step";
  throw new FatalError("never");
}

export async function retryableAndFatalErrorWorkflow() {
  "use workflow";
  const retryableResult = await failsOnce();
  let gotFatalError = false;
  try {
    await fails();
  } catch (error) {
    gotFatalError = FatalError.is(error);
  }
  return { retryableResult, gotFatalError };
}
