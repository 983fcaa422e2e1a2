"""The Prepare dock."""
