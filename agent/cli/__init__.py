"""The command line: `agent`, also called `longread`."""
