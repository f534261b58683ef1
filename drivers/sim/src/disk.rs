//! Disks with a speed, a size and faults.
