import { FatalError, RetryableError, getStepMetadata } from "workflow";
import { failAcrossFiles, outerFailure } from "../helpers/failing";

export async function nested() {
  "use workflow";
  return errorNested1();
}

function errorNested1(): never {
  return errorNested2();
}

function errorNested2(): never {
  return errorNested3();
}

function errorNested3(): never {
  throw new Error("nested failure");
}

export async function acrossFiles() {
  "use workflow";
  return outerFailure();
}

async function failsPlainly(): Promise<never> {
  "use step";
  throw new TypeError("the step has failed");
}
failsPlainly.maxRetries = 0;

export async function stepErrorCaught() {
  "use workflow";
  return caught(failsPlainly);
}

export async function stepErrorAcrossFiles() {
  "use workflow";
  return caught(failAcrossFiles);
}

async function caught(step: () => Promise<never>) {
  try {
    return await step();
  } catch (error: any) {
    return { name: error.name, message: error.message, stack: error.stack, cause: error.cause?.message, is: error instanceof Error };
  }
}

async function failsTwice() {
  "use step";
  const { attempt } = getStepMetadata();
  if (attempt < 3) throw new Error(`attempt ${attempt} fails`);
  return attempt;
}

export async function retried() {
  "use workflow";
  return failsTwice();
}

async function failsForGood(): Promise<never> {
  "use step";
  throw new FatalError("fatal on purpose");
}

export async function fatal() {
  "use workflow";
  return failsForGood();
}

export async function fatalCaught() {
  "use workflow";
  try {
    return await failsForGood();
  } catch (error) {
    return [FatalError.is(error), error instanceof FatalError, (error as Error).message];
  }
}

async function retriesLater() {
  "use step";
  const { attempt, stepStartedAt } = getStepMetadata();
  if (attempt === 1) throw new RetryableError("later", { retryAfter: "400ms" });
  return [attempt, Date.now(), stepStartedAt.getTime()];
}

export async function retryAfter() {
  "use workflow";
  const begun = Date.now();
  const [attempt, at, first] = await retriesLater();
  return [attempt, at - begun, at - first];
}

async function failsOnce(): Promise<never> {
  "use step";
  throw new Error(`attempt ${getStepMetadata().attempt}`);
}
failsOnce.maxRetries = 0;

export async function noRetries() {
  "use workflow";
  return failsOnce();
}

async function failsAlways(): Promise<never> {
  "use step";
  throw new RangeError("out of range");
}
failsAlways.maxRetries = 1;

export async function exhausted() {
  "use workflow";
  try {
    return await failsAlways();
  } catch (error: any) {
    return { fatal: FatalError.is(error), message: error.message, cause: error.cause?.name ?? null };
  }
}

export async function unserializable() {
  "use workflow";
  try {
    return await takes({ function: () => 1 });
  } catch (error: any) {
    return error.message;
  }
}

async function takes(value: unknown) {
  "use step";
  return typeof value;
}
