//! When a failure may have left something at a broker.

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// For an instance.
    Provision,
    /// For a change of an instance.
    Update,
    /// For an instance to go.
    Deprovision,
    /// For a binding.
    Bind,
    /// For a binding to go.
    Unbind,
    /// For something to read.
    Read,
}

/// How it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The broker heard nothing: it could not be connected to.
    NotSent,
    /// No answer came in time, or the connection broke before it was there.
    NoAnswer,
    /// An answer with this status, which is not one of success.
    Status(u16),
    /// An answer of success that makes no sense.
    Malformed(u16),
    /// The broker said later on that it failed.
    FailedLater,
}

/// Whether the broker has to be asked to delete what it may have made (Open Service Broker API
/// 2.17, the table of "Orphan Mitigation").
#[must_use]
pub const fn leaves_orphan(request: Request, outcome: Outcome) -> bool {
    use Request as R;
    let makes = matches!(request, R::Provision | R::Bind);
    let any = matches!(request, R::Provision | R::Deprovision | R::Bind | R::Unbind);
    match outcome {
        // Status 200 is that of what was there already.
        Outcome::NotSent | Outcome::Malformed(200) => false,
        Outcome::NoAnswer | Outcome::Malformed(201 | 202) => makes,
        Outcome::Status(status) | Outcome::Malformed(status) => {
            any && (matches!(status, 200..300) || status >= 500)
        }
        Outcome::FailedLater => any,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orphans_are_what_the_table_says() {
        use Outcome as O;
        use Request as R;
        let check = |outcome: O, orphaned: &[R]| {
            for request in [
                R::Provision,
                R::Update,
                R::Deprovision,
                R::Bind,
                R::Unbind,
                R::Read,
            ] {
                let found = leaves_orphan(request, outcome);
                assert_eq!(
                    found,
                    orphaned.contains(&request),
                    "{request:?} {outcome:?}"
                );
            }
        };
        let all = [R::Provision, R::Deprovision, R::Bind, R::Unbind];
        let makes = [R::Provision, R::Bind];
        check(O::Malformed(200), &[]);
        check(O::Malformed(201), &makes);
        check(O::Malformed(202), &makes);
        check(O::FailedLater, &all);
        check(O::Status(204), &all);
        check(O::Status(302), &[]);
        check(O::Status(400), &[]);
        check(O::Status(408), &[]);
        check(O::Status(409), &[]);
        check(O::Status(410), &[]);
        check(O::Status(422), &[]);
        check(O::Status(500), &all);
        check(O::Status(503), &all);
        check(O::NoAnswer, &makes);
        check(O::NotSent, &[]);
    }
}
