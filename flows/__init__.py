"""What a person schedules, one file each."""
