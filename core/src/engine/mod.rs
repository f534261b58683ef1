//! engine (to come).
