export const aliased = "found by an alias";
