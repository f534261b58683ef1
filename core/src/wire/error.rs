//! Why a connection ends, and whose fault it is.
