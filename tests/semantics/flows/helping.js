import { getWorkflowMetadata } from "workflow";

export function whichRun() {
  return getWorkflowMetadata().workflowRunId;
}

export function breakHere() {
  throw new RangeError("broken elsewhere");
}
