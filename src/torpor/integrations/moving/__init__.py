"""From schedulers and task queues to Torpor: their tasks as steps, their timetables as schedules."""
