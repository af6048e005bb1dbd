//! What the tests from outside share: a real daemon in a folder of its own, the stock `cf`
//! command line and our own against it, the API by hand, and waiting for conditions.

mod api;
mod broker;
mod cf;
mod daemon;
mod dice;
mod files;
mod leftovers;
mod own;
mod places;
mod wait;

pub(crate) use api::{Answer, Api};
pub(crate) use broker::{Broker, Canned, PASSWORD, USER, catalog};
pub(crate) use cf::{Cf, stock_cf, text};
pub(crate) use daemon::{Daemon, Setup};
pub(crate) use dice::{Dice, say, seed, setting};
pub(crate) use files::{folder, zip};
pub(crate) use leftovers::processes_with;
pub(crate) use own::Own;
pub(crate) use places::{example, examples, is_root, pass_as_user, program};
pub(crate) use wait::{PATIENCE, eventually, soon, until};
