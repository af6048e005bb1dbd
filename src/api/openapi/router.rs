//! Routers whose every handler is described.

use axum::{handler::Handler, http::Method, routing::MethodRouter};

use super::operation::{Answers, Operation, Takes};
use crate::api::Api;

/// A handler whose every argument and whose answer tell what they are. `T` is what
/// [`Handler`] says of the arguments.
pub(in crate::api) trait Described<T> {
    /// Adds all that they tell.
    fn describe(operation: &mut Operation);
}

impl<F, Fut> Described<((),)> for F
where
    F: FnOnce() -> Fut,
    Fut: Future<Output: Answers>,
{
    fn describe(operation: &mut Operation) {
        Fut::Output::describe(operation);
    }
}

macro_rules! described {
    ($($argument:ident)+) => {
        impl<F, Fut, M, $($argument,)+> Described<(M, $($argument,)+)> for F
        where
            F: FnOnce($($argument,)+) -> Fut,
            Fut: Future<Output: Answers>,
            $($argument: Takes,)+
        {
            fn describe(operation: &mut Operation) {
                $($argument::describe(operation);)+
                Fut::Output::describe(operation);
            }
        }
    };
}

described!(A);
described!(A B);
described!(A B C);
described!(A B C D);
described!(A B C D E);
described!(A B C D E G);
described!(A B C D E G H);

/// A handler's entry for the document.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) method: Method,
    /// Empty until the handler is given a path.
    pub(super) path: String,
    /// The name of the handler's type, which has its module.
    pub(super) handler: &'static str,
    pub(super) describe: fn(&mut Operation),
}

/// What answers at one path, by method.
#[derive(Debug)]
pub(in crate::api) struct Methods {
    inner: MethodRouter<Api>,
    entries: Vec<Entry>,
}

impl Methods {
    fn with<H: Described<T>, T>(
        mut self,
        method: Method,
        _: &H,
        add: impl FnOnce(MethodRouter<Api>) -> MethodRouter<Api>,
    ) -> Self {
        self.inner = add(self.inner);
        self.entries.push(Entry {
            method,
            path: String::new(),
            handler: std::any::type_name::<H>(),
            describe: H::describe,
        });
        self
    }
}

macro_rules! methods {
    ($($name:ident $method:ident;)*) => {
        $(
            /// Answers requests of this method.
            pub(in crate::api) fn $name<H, T>(handler: H) -> Methods
            where
                H: Handler<T, Api> + Described<T>,
                T: 'static,
            {
                let none = Methods { inner: MethodRouter::new(), entries: Vec::new() };
                none.$name(handler)
            }
        )*

        #[expect(clippy::allow_attributes, reason = "which methods stand second changes with handlers")]
        impl Methods {
            $(
                /// Answers requests of this method, too.
                #[allow(dead_code, reason = "the set is whole")]
                pub(in crate::api) fn $name<H, T>(self, handler: H) -> Self
                where
                    H: Handler<T, Api> + Described<T>,
                    T: 'static,
                {
                    let given = handler.clone();
                    self.with(Method::$method, &given, |inner| inner.$name(handler))
                }
            )*
        }
    };
}

methods! {
    get GET;
    post POST;
    put PUT;
    patch PATCH;
    delete DELETE;
}

/// Paths and what answers there.
#[derive(Debug)]
pub(in crate::api) struct Router {
    inner: axum::Router<Api>,
    pub(super) entries: Vec<Entry>,
}

impl Router {
    /// Nothing is answered yet.
    pub(in crate::api) fn new() -> Self {
        Self {
            inner: axum::Router::new(),
            entries: Vec::new(),
        }
    }

    /// `methods` answer at `path`.
    pub(in crate::api) fn route(mut self, path: &str, methods: Methods) -> Self {
        self.inner = self.inner.route(path, methods.inner);
        self.entries
            .extend(methods.entries.into_iter().map(|entry| Entry {
                path: path.to_owned(),
                ..entry
            }));
        self
    }

    /// What `other` answers is answered, too.
    pub(in crate::api) fn merge(mut self, other: Self) -> Self {
        self.inner = self.inner.merge(other.inner);
        self.entries.extend(other.entries);
        self
    }

    /// What `other` answers is answered under `prefix`.
    pub(in crate::api) fn nest(mut self, prefix: &str, other: Self) -> Self {
        self.inner = self.inner.nest(prefix, other.inner);
        self.entries
            .extend(other.entries.into_iter().map(|entry| Entry {
                path: format!("{prefix}{}", entry.path),
                ..entry
            }));
        self
    }

    /// The router to be served.
    pub(in crate::api) fn into_inner(self) -> axum::Router<Api> {
        self.inner
    }
}
