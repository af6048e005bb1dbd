//! Quotas: what they are, and that they are kept.
//!
//! Whatever makes, starts or scales something does so between [`Before::of`] and
//! [`Before::check`], or through [`within`]; what of it counts is in `usage`.

mod enforce;
mod orgs;
mod spaces;
mod tasks;
mod usage;

pub(super) use enforce::{Before, may_make_paid, stages, within};
pub(super) use orgs::put_default;
pub(super) use tasks::{TaskSize, may_run_task};

use super::ActionError;
use crate::model::{Breach, QuotaName};

/// Longest name of a quota (Cloud Foundry's limit).
const LONGEST_NAME: usize = 250;

/// The name of a quota.
fn name(text: String) -> Result<QuotaName, ActionError> {
    if text.chars().count() > LONGEST_NAME {
        return Err(ActionError::Unprocessable(format!(
            "Name is too long (maximum is {LONGEST_NAME} characters)"
        )));
    }
    Ok(QuotaName::parse(text)?)
}

/// What is said of several breaches at once.
pub(super) fn words(breaches: &[Breach]) -> String {
    let texts: Vec<_> = breaches.iter().map(Breach::words).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests;
