"""The benchmarks of the TypeScript Workflow SDK, Torpor and the SDK side by side."""
