import { charge_once } from "../steps.py";

export async function chargesOnce(how) {
  "use workflow";
  try {
    return await charge_once(how);
  } catch (error) {
    return error.message;
  }
}
