/** Fails two calls deep, in another file than who calls. */
export function outerFailure(): never {
  return innerFailure();
}

function innerFailure(): never {
  throw new Error("failed across files");
}

export async function failAcrossFiles(): Promise<never> {
  "use step";
  return outerFailure();
}
failAcrossFiles.maxRetries = 0;
