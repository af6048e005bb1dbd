//! Routes and where they lead.

mod destinations;
mod new;
mod notes;
mod share;
mod verbs;

pub(super) use destinations::usual_protocol;
pub(super) use new::{NewRoute, is_reserved, put_new};
pub(super) use notes::note_mapping;
pub(super) use verbs::remove;
