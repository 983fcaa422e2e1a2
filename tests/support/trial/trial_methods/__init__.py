"""A package of others: five small methods, each of a kind that the framework has to carry. None is good at anything."""
