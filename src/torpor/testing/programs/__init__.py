"""
Random programs in both languages, run by real guests, and judged by a model.

``python -m torpor.testing.programs --seeds 200`` makes programs of steps, sleeps, hooks, races, gathers and children.
Each runs in JavaScript and in Python, by snapshots and by replays, while the outside resumes hooks at random times.
"""
