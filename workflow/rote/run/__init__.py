"""A run as a whole: configuration, code digests, costs, manifest, profile, live view, devices."""
