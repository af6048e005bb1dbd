//! What the API says of itself: an OpenAPI 3.1 document, `/openapi.json`, and the same as a page,
//! `/docs`. It is read off the types of the handlers: a handler can only be put into a [`Router`]
//! if all that it takes says what it takes ([`Takes`]) and all that it answers with says what
//! that is ([`Answers`]), so nothing is served that is not in the document.

mod document;
mod operation;
mod page;
mod router;
mod serve;
mod words;

pub(super) use operation::{Answers, Operation, Security, Takes};
pub(super) use page::escaped;
pub(super) use router::{Router, delete, get, patch, post, put};
pub(super) use serve::router;
