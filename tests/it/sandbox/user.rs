//! The same without root.

use super::internet::{Internet, PLACE};
use crate::support::pass_as_user;

#[test]
fn all_of_it_holds_for_an_ordinary_user_too() {
    let internet = Internet::reach().map(|internet| (PLACE, internet.number()));
    pass_as_user(1500, &["sandbox::"], &Vec::from_iter(internet));
}
