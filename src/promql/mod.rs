//! The part of PromQL that readers of log-cache use: queries over series of samples, as
//! Prometheus computes them (prometheus.io, "Querying basics", "Operators", "Functions").
//!
//! Pure: what there is to compute with comes in as an argument, and so does the time.

mod compute;
mod functions;
mod lexer;
mod parse;
mod value;

pub use compute::Answer;
pub use lexer::span;
pub use parse::{Expr, Matcher, Selector, parse};
pub use value::{Labels, Series};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// It is no query.
    #[error("parse error at char {at}: {what}")]
    Parse {
        /// Which character, from 1.
        at: usize,
        /// What is wrong there.
        what: String,
    },
    /// It cannot be computed.
    #[error("{0}")]
    Execution(String),
}

#[cfg(test)]
mod tests;
