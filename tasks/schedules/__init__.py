"""What starts by itself: schedules of the file and of people, and their runs."""
