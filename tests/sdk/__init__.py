"""Projects of the TypeScript Workflow SDK on Torpor: the SDK's end-to-end cases by name."""
