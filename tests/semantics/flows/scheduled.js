// What schedules start.

/** Return its slot in milliseconds. */
export async function toldTheSlot({ slot }) {
  "use workflow";
  return slot.getTime();
}
