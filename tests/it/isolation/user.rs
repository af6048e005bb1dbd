//! The same without root.

use crate::support::pass_as_user;

#[test]
fn every_attack_fails_for_an_ordinary_user_too() {
    pass_as_user(1501, &["isolation::"], &[]);
}
