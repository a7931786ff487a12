"""What people see: the run directory, the HTML report and the terminal summary."""
