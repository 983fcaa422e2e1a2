"""Public data sets, each by the names of its files: one file and one line of the registry a data set."""
