//! Isolation segments: which there are, and who may use and uses which. Apps run on the one
//! machine whichever it is.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;

use super::{
    ActionError, Actions, Caller,
    audit::{audit, target},
};
use crate::{
    authz::{Place, Verb},
    model::{
        IsolationSegment, Metadata, Org, OrgId, SegmentId, SegmentName, Space, SpaceId, Timestamp,
    },
    store::{State, Tx},
    wire::{
        ToMany, ToOne,
        isolation_segment::{Create, Update},
    },
};

impl Actions {
    /// The segments that the caller may see: `shared`, and those of their organizations.
    #[must_use]
    pub fn isolation_segments(&self, caller: &Caller) -> Vec<Arc<IsolationSegment>> {
        let state = self.store.state();
        let segments = state.segments.values();
        segments
            .filter(|segment| may_see(caller, segment))
            .cloned()
            .collect()
    }

    /// The segment, if the caller may see it.
    ///
    /// # Errors
    /// [`ActionError::NotFound`].
    pub fn isolation_segment(
        &self,
        caller: &Caller,
        id: SegmentId,
    ) -> Result<Arc<IsolationSegment>, ActionError> {
        let state = self.store.state();
        let segment = state.segments.get(&id);
        let segment = segment.filter(|segment| may_see(caller, segment));
        segment.cloned().ok_or(MISSING)
    }

    /// Makes a segment. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, or the name is bad or taken.
    pub async fn create_isolation_segment(
        &self,
        caller: &Caller,
        body: Create,
    ) -> Result<IsolationSegment, ActionError> {
        caller.need_admin()?;
        let now = self.now();
        let mut metadata = Metadata::default();
        body.metadata
            .apply(&mut metadata)
            .map_err(ActionError::Unprocessable)?;
        let segment = IsolationSegment {
            id: SegmentId::random(),
            name: SegmentName::parse(body.name)?,
            orgs: BTreeSet::new(),
            metadata,
            created_at: now,
            updated_at: now,
        };
        self.store
            .commit(move |tx| {
                unique(tx, &segment.name, None)?;
                tx.put(segment.clone());
                note(tx, caller, "create", &segment, now);
                Ok(segment)
            })
            .await
    }

    /// Changes a segment. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, the name is bad or taken, or it is `shared`.
    pub async fn update_isolation_segment(
        &self,
        caller: &Caller,
        id: SegmentId,
        body: Update,
    ) -> Result<IsolationSegment, ActionError> {
        let name = body.name.map(SegmentName::parse).transpose()?;
        self.change(caller, id, "update", move |tx, segment| {
            if let Some(name) = name {
                not_shared(segment, "update")?;
                unique(tx, &name, Some(id))?;
                segment.name = name;
            }
            body.metadata
                .apply(&mut segment.metadata)
                .map_err(ActionError::Unprocessable)
        })
        .await
    }

    /// Deletes a segment that no organization may use. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, it is `shared`, or organizations may use it.
    pub async fn delete_isolation_segment(
        &self,
        caller: &Caller,
        id: SegmentId,
    ) -> Result<(), ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let segment = writable(tx, caller, id)?;
                not_shared(&segment, "delete")?;
                if !segment.orgs.is_empty() {
                    return Err(ActionError::Unprocessable(
                        "Revoke the Organization entitlements for your Isolation Segment."
                            .to_owned(),
                    ));
                }
                tx.delete(id);
                note(tx, caller, "delete-request", &segment, now);
                Ok(())
            })
            .await
    }

    /// Lets organizations use a segment. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, or an organization is none.
    pub async fn entitle_organizations(
        &self,
        caller: &Caller,
        id: SegmentId,
        orgs: ToMany,
    ) -> Result<IsolationSegment, ActionError> {
        self.change(caller, id, "update", move |tx, segment| {
            let mut missing = Vec::new();
            for item in &orgs.data {
                let org: Option<OrgId> = item.id();
                match org.filter(|org| tx.orgs.contains_key(org)) {
                    Some(org) => {
                        segment.orgs.insert(org);
                    }
                    None => missing.push(item.guid.as_str()),
                }
            }
            if missing.is_empty() {
                return Ok(());
            }
            Err(ActionError::Unprocessable(format!(
                "Unable to entitle organizations {missing:?} for the isolation segment. Ensure \
                 the organizations exist."
            )))
        })
        .await
    }

    /// Ends an organization's use of a segment. Only admins may.
    ///
    /// # Errors
    /// Where the caller may not, or the organization or a space of it has the segment.
    pub async fn revoke_organization(
        &self,
        caller: &Caller,
        id: SegmentId,
        org: OrgId,
    ) -> Result<(), ActionError> {
        self.change(caller, id, "update", move |tx, segment| {
            let found = tx
                .orgs
                .get(&org)
                .ok_or(ActionError::NotFound("Organization"))?;
            if found.isolation_segment == Some(id) {
                return Err(ActionError::Unprocessable(
                    "The isolation segment is the default of the organization. Unset it first."
                        .to_owned(),
                ));
            }
            let used = tx
                .spaces_of(org)
                .filter(|space| space.isolation_segment == Some(id));
            let names: Vec<_> = used.map(|space| space.name.as_str()).collect();
            if !names.is_empty() {
                return Err(ActionError::Unprocessable(format!(
                    "Please delete the Space associations for your Isolation Segment: {}.",
                    names.join(", ")
                )));
            }
            segment.orgs.remove(&org);
            Ok(())
        })
        .await
        .map(drop)
    }

    /// Sets the segment of an organization's spaces that have none. Its managers may.
    ///
    /// # Errors
    /// Where the caller may not, or the organization may not use the segment.
    pub async fn set_default_segment(
        &self,
        caller: &Caller,
        id: OrgId,
        wanted: ToOne,
    ) -> Result<Option<SegmentId>, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                caller.need_in_org(Verb::WriteOrg, id)?;
                caller.need_active(tx, id)?;
                let org = tx
                    .orgs
                    .get(&id)
                    .ok_or(ActionError::NotFound("Organization"))?;
                let mut org = Org::clone(org);
                org.isolation_segment = usable(tx, id, &wanted, "organization")?;
                org.updated_at = now;
                tx.put(org.clone());
                let target = target("organization", id, &org.name);
                let data =
                    json!({ "request": { "default_isolation_segment": org.isolation_segment } });
                let kind = "audit.organization.update";
                audit(tx, &caller.actor(), kind, target, Place::Org(id), data, now);
                Ok(org.isolation_segment)
            })
            .await
    }

    /// Sets the segment of a space. The managers of its organization may.
    ///
    /// # Errors
    /// Where the caller may not, or the organization may not use the segment.
    pub async fn set_space_segment(
        &self,
        caller: &Caller,
        id: SpaceId,
        wanted: ToOne,
    ) -> Result<Option<SegmentId>, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                caller.need_in_space(tx, Verb::ReadSpace, id, "Space")?;
                let space = tx.spaces.get(&id).ok_or(ActionError::NotFound("Space"))?;
                let mut space = Space::clone(space);
                caller.need_in_org(Verb::WriteOrg, space.org)?;
                caller.need_active(tx, space.org)?;
                let whose = "organization that this space belongs to";
                space.isolation_segment = usable(tx, space.org, &wanted, whose)?;
                space.updated_at = now;
                tx.put(space.clone());
                let target = target("space", id, &space.name);
                let place = Place::Space {
                    space: id,
                    org: space.org,
                };
                let data = json!({ "request": { "isolation_segment": space.isolation_segment } });
                audit(
                    tx,
                    &caller.actor(),
                    "audit.space.update",
                    target,
                    place,
                    data,
                    now,
                );
                Ok(space.isolation_segment)
            })
            .await
    }

    async fn change(
        &self,
        caller: &Caller,
        id: SegmentId,
        what: &str,
        change: impl FnOnce(&State, &mut IsolationSegment) -> Result<(), ActionError>,
    ) -> Result<IsolationSegment, ActionError> {
        let now = self.now();
        self.store
            .commit(move |tx| {
                let mut segment = writable(tx, caller, id)?;
                change(tx, &mut segment)?;
                segment.updated_at = now;
                tx.put(segment.clone());
                note(tx, caller, what, &segment, now);
                Ok(segment)
            })
            .await
    }
}

const MISSING: ActionError = ActionError::NotFound("Isolation segment");

/// Puts the segment `shared` where there is none.
pub(super) fn put_shared(tx: &mut Tx, now: Timestamp) -> Result<(), ActionError> {
    if tx.segments.contains_key(&SegmentId::SHARED) {
        return Ok(());
    }
    tx.put(IsolationSegment {
        id: SegmentId::SHARED,
        name: SegmentName::parse("shared")?,
        orgs: BTreeSet::new(),
        metadata: Metadata::default(),
        created_at: now,
        updated_at: now,
    });
    Ok(())
}

fn may_see(caller: &Caller, segment: &IsolationSegment) -> bool {
    let mut orgs = segment.orgs.iter();
    caller.sees_all()
        || segment.id == SegmentId::SHARED
        || orgs.any(|org| caller.may_in_org(Verb::ReadOrg, *org))
}

fn writable(
    state: &State,
    caller: &Caller,
    id: SegmentId,
) -> Result<IsolationSegment, ActionError> {
    let segment = state.segments.get(&id);
    let segment = segment
        .filter(|segment| may_see(caller, segment))
        .ok_or(MISSING)?;
    caller.need_admin()?;
    Ok(IsolationSegment::clone(segment))
}

fn not_shared(segment: &IsolationSegment, what: &str) -> Result<(), ActionError> {
    if segment.id != SegmentId::SHARED {
        return Ok(());
    }
    Err(ActionError::Unprocessable(format!(
        "Cannot {what} the shared Isolation Segment"
    )))
}

fn unique(state: &State, name: &SegmentName, but: Option<SegmentId>) -> Result<(), ActionError> {
    match state.segment_by_name(name) {
        Some(other) if Some(other.id) != but => Err(ActionError::Unprocessable(
            "Isolation Segment names are case insensitive and must be unique".to_owned(),
        )),
        _ => Ok(()),
    }
}

/// The segment that is wanted, where `org`, called `whose`, may use it.
fn usable(
    state: &State,
    org: OrgId,
    wanted: &ToOne,
    whose: &str,
) -> Result<Option<SegmentId>, ActionError> {
    let Some(data) = &wanted.data else {
        return Ok(None);
    };
    let id: Option<SegmentId> = data.id();
    let segment = id.and_then(|id| state.segments.get(&id));
    match segment.filter(|segment| segment.orgs.contains(&org)) {
        Some(segment) => Ok(Some(segment.id)),
        None => Err(ActionError::Unprocessable(format!(
            "Unable to assign isolation segment with guid '{}'. Ensure it has been entitled to \
             the {whose}.",
            data.guid
        ))),
    }
}

fn note(tx: &mut Tx, caller: &Caller, what: &str, segment: &IsolationSegment, now: Timestamp) {
    let kind = format!("audit.isolation_segment.{what}");
    let target = target("isolation_segment", segment.id, &segment.name);
    let data = json!({ "request": { "name": segment.name } });
    audit(
        tx,
        &caller.actor(),
        &kind,
        target,
        Place::Platform,
        data,
        now,
    );
}
