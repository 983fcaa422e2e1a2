"""Methods with a normalising flow over features of a backbone."""
