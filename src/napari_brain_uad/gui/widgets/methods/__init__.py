"""Methods and their models: to choose one or several, and what is known of them."""
