//! The tests from outside: one binary, one file per story.

mod api;
