"""What the exit codes of the commands mean."""

OK, FAILED, LEFT_OUT, NOT_MET, STOPPED = 0, 1, 3, 4, 130
