"""Updates of the bundle: signed release files, two slots, an atomic switch, a trial, and falling back."""
