//! testing (to come).
