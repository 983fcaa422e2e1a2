"""What the manifest offers besides docks: reader, writer, samples, the choice among series, the demo."""
