//! swarm (to come).
