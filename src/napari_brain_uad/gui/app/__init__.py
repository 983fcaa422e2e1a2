"""What every dock shares that shows nothing: the docks' place, lifetimes, jobs, settings, keys."""
