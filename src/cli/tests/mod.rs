//! The verbs against a small platform that answers from a table and remembers what was asked.

mod fake;
mod flows;
mod git;
mod push;
mod quota;
mod reach;
