"""From a raw anomaly map to a mask, regions and boxes: pure functions."""
