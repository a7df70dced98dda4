// Where a run is when its CPU time is over. The engine is told to throw an error then that no `catch` catches.

import { placeText, setWitness, takePlace } from "torpor:stacks";

let frames = "";

// The error's own stack knows how far the innermost function came; before it is thrown only its callers are sure.
setWitness((error, text) => {
  if (error instanceof InternalError && error.message === "interrupted") frames ||= text;
});

/** Return the stack as it is, as far as it is the program's: a line for each frame, each with a line break before it. */
export function whereabouts() {
  return placeText(takePlace(whereabouts));
}

/** Return the stack at which the engine ended the run, in the same form. */
export function interrupted() {
  return frames;
}
