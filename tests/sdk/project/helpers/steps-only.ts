/** A file that has a step and no workflow. */
export async function farAway() {
  "use step";
  return "from a file of steps";
}
