"""Methods with a generator and a critic that judges it."""
