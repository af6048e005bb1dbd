//! Languages as data: `runtimes/*.toml` say how to recognise, build and start a kind of app.

/// Every runtime that is known.
#[derive(Debug, Clone, Default)]
pub struct Catalog {}
