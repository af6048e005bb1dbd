//! Plans of small worlds, as values.
