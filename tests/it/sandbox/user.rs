//! The same without root.

use crate::support::pass_as_user;

#[test]
fn all_of_it_holds_for_an_ordinary_user_too() {
    pass_as_user(1500, &["sandbox::"]);
}
