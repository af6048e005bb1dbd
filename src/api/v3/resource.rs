//! What most resources have in common: a list that is narrowed, ordered and cut into pages, a
//! document for one, and how one is made, changed and deleted.

use std::{marker::PhantomData, str::FromStr, sync::Arc};

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    actions::{ActionError, Actions, Caller},
    api::{
        Api, Failure,
        answer::{Accepted, Created, accepted},
        extract::{Auth, Base, Body, Id, Parameters, RawQuery},
    },
    model::{Job, Observed},
    store,
    wire::{self, List, Listed, Order, Query, arrange, paginate},
};

/// What handlers answer with.
pub(super) type Answer = Result<Json<Value>, Failure>;

/// What lists answer with.
pub(super) type Listing = Result<Json<List>, Failure>;

/// Who looks, at what, and under which address.
pub(super) struct View<'a> {
    pub(super) state: Arc<store::State>,
    pub(super) caller: &'a Caller,
    pub(super) base: &'a wire::Base,
    /// What runs at this moment.
    pub(super) observed: Arc<Observed>,
}

impl<'a> View<'a> {
    pub(super) fn new(api: &Api, caller: &'a Caller, base: &'a wire::Base) -> Self {
        Self {
            state: api.actions.store.state(),
            caller,
            base,
            observed: Arc::clone(&api.observed.borrow()),
        }
    }

    /// One resource's document, with what `query` wants included.
    pub(super) fn one<R: Resource>(&self, query: &Query, item: &Arc<R>) -> Value {
        let mut document = item.present(self);
        if let Some(included) = R::include(query, self, std::slice::from_ref(item)) {
            document["included"] = Value::Object(included);
        }
        document
    }

    /// The page of `items` that `query` asks for, as the list at `path`.
    pub(super) fn page<R: Resource>(
        &self,
        query: &Query,
        mut items: Vec<Arc<R>>,
        path: &str,
    ) -> Listing {
        R::check(query)?;
        R::narrow(query, self, &mut items);
        arrange(query, &mut items, R::ORDERS)?;
        let page = paginate(query, items)?;
        let included = R::include(query, self, &page.items);
        let document = page.list(self.base, path, query, included, |item| item.present(self));
        Ok(Json(document))
    }
}

/// A resource that is listed and shown.
pub(super) trait Resource: Listed + Sized + Send + Sync + 'static {
    /// Its identifier.
    type Id: FromStr + Send;
    /// Where its list is.
    const PATH: &'static str;
    /// What its list can be narrowed by.
    const FILTERS: &'static [&'static str];
    /// What may be included.
    const INCLUDES: &'static [&'static str] = &[];
    /// Of which resources around it single fields may be asked for, and which.
    const FIELDS: &'static [(&'static str, &'static [&'static str])] = &[];
    /// What its list can be ordered by beside times.
    const ORDERS: &'static [Order<Self>] = &[];
    /// Whether its list is narrowed by labels.
    const LABELS: bool = true;

    /// Those that the caller may see. What `query` narrows may be left to [`Resource::narrow`].
    fn all(actions: &Actions, caller: &Caller, query: &Query) -> Vec<Arc<Self>>;

    /// The one with this identifier, if the caller may see it.
    fn find(actions: &Actions, caller: &Caller, id: Self::Id) -> Result<Arc<Self>, ActionError>;

    /// Passes where the filters of its own make sense.
    fn check(_: &Query) -> Result<(), wire::Error> {
        Ok(())
    }

    /// Leaves those that pass the filters of its own.
    fn narrow(query: &Query, view: &View<'_>, items: &mut Vec<Arc<Self>>);

    /// Its document.
    fn present(&self, view: &View<'_>) -> Value;

    /// What `query` wants to know beside `items`.
    fn include(_: &Query, _: &View<'_>, _: &[Arc<Self>]) -> Option<Map<String, Value>> {
        None
    }
}

impl<R: Resource> Parameters for R {
    const NAMES: &'static [&'static str] = R::FILTERS;
    const INCLUDES: &'static [&'static str] = R::INCLUDES;
    const FIELDS: &'static [(&'static str, &'static [&'static str])] = R::FIELDS;
    const LISTS: bool = true;
    const LABELS: bool = R::LABELS;
}

/// What the query of one resource may say.
#[derive(Debug)]
pub(super) struct One<R>(PhantomData<R>);

impl<R: Resource> Parameters for One<R> {
    const NAMES: &'static [&'static str] = &[];
    const INCLUDES: &'static [&'static str] = R::INCLUDES;
    const FIELDS: &'static [(&'static str, &'static [&'static str])] = R::FIELDS;
    const LISTS: bool = false;
}

/// A resource that is made by a POST to its list.
pub(super) trait Create: Resource {
    /// What the request says.
    type Body: DeserializeOwned + JsonSchema + Send;

    /// Makes it.
    fn create(
        actions: &Actions,
        caller: &Caller,
        body: Self::Body,
    ) -> impl Future<Output = Result<Self, ActionError>> + Send;
}

/// A resource that is changed by a PATCH.
pub(super) trait Update: Resource {
    /// What the request says.
    type Body: DeserializeOwned + JsonSchema + Send;

    /// Changes it.
    fn update(
        actions: &Actions,
        caller: &Caller,
        id: Self::Id,
        body: Self::Body,
    ) -> impl Future<Output = Result<Self, ActionError>> + Send;
}

/// A resource that is deleted by a job.
pub(super) trait Delete: Resource {
    /// Deletes it.
    fn delete(
        actions: &Actions,
        caller: &Caller,
        id: Self::Id,
    ) -> impl Future<Output = Result<Job, ActionError>> + Send;
}

/// Which of the actions make, change and delete a resource.
macro_rules! verbs {
    ($kind:ident
        $(, create($new:ty): $create:ident)?
        $(, update($changes:ty): $update:ident)?
        $(, delete: $delete:ident)?
    ) => {
        $(impl $crate::api::v3::resource::Create for $kind {
            type Body = $new;

            async fn create(
                actions: &$crate::actions::Actions,
                caller: &$crate::actions::Caller,
                body: $new,
            ) -> Result<Self, $crate::actions::ActionError> {
                actions.$create(caller, body).await
            }
        })?
        $(impl $crate::api::v3::resource::Update for $kind {
            type Body = $changes;

            async fn update(
                actions: &$crate::actions::Actions,
                caller: &$crate::actions::Caller,
                id: Self::Id,
                body: $changes,
            ) -> Result<Self, $crate::actions::ActionError> {
                actions.$update(caller, id, body).await
            }
        })?
        $(impl $crate::api::v3::resource::Delete for $kind {
            async fn delete(
                actions: &$crate::actions::Actions,
                caller: &$crate::actions::Caller,
                id: Self::Id,
            ) -> Result<$crate::model::Job, $crate::actions::ActionError> {
                actions.$delete(caller, id).await
            }
        })?
    };
}
pub(super) use verbs;

/// `GET` of the list.
pub(super) async fn list<R: Resource>(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    query: RawQuery<R>,
) -> Listing {
    let query = query.parse()?;
    let items = R::all(&api.actions, &caller, &query);
    View::new(&api, &caller, &base).page(&query, items, R::PATH)
}

/// `GET` of one.
pub(super) async fn show<R: Resource>(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<R::Id>,
    query: RawQuery<One<R>>,
) -> Answer {
    let query = query.parse()?;
    let found = R::find(&api.actions, &caller, id)?;
    Ok(Json(View::new(&api, &caller, &base).one(&query, &found)))
}

/// `POST` to the list.
pub(super) async fn create<R: Create>(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Body(body): Body<R::Body>,
) -> Result<Created, Failure> {
    let made = R::create(&api.actions, &caller, body).await?;
    let document = made.present(&View::new(&api, &caller, &base));
    Ok(Created(document))
}

/// `PATCH` of one.
pub(super) async fn update<R: Update>(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<R::Id>,
    Body(body): Body<R::Body>,
) -> Answer {
    let changed = R::update(&api.actions, &caller, id, body).await?;
    Ok(Json(changed.present(&View::new(&api, &caller, &base))))
}

/// `DELETE` of one.
pub(super) async fn delete<R: Delete>(
    State(api): State<Api>,
    Auth(caller): Auth,
    Base(base): Base,
    Id(id): Id<R::Id>,
) -> Result<Accepted, Failure> {
    let job = R::delete(&api.actions, &caller, id).await?;
    Ok(accepted(&base, &job))
}
