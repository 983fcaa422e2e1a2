"""Where the subjects, sequences, masks and splits of public data sets lie; one file a data set."""
