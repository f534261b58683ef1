//! Machine vectors: a configuration, a seed, timed inputs, and the actions that must come of them.
