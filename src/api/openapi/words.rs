//! Words for people, out of methods and paths.

use axum::http::{Method, StatusCode};

/// The reason phrase of a status.
pub(super) fn status(status: u16) -> String {
    let known = StatusCode::from_u16(status).ok();
    let phrase = known.and_then(|status| status.canonical_reason());
    phrase.unwrap_or("Answer").to_owned()
}

/// The name by which programs know an operation.
pub(super) fn id(method: &Method, path: &str) -> String {
    let mut id = method.as_str().to_ascii_lowercase();
    for part in path.split(['/', '.', '-']).filter(|part| !part.is_empty()) {
        id.push('_');
        id.push_str(part.trim_matches(['{', '}']));
    }
    if path.ends_with('/') {
        id.push_str("_root");
    }
    id
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{')
}

/// One of several.
fn singular(plural: &str) -> String {
    let stem = if let Some(stem) = plural.strip_suffix("ies") {
        format!("{stem}y")
    } else if let Some(stem) = plural.strip_suffix("sses") {
        format!("{stem}ss")
    } else if plural.ends_with("ss") {
        plural.to_owned()
    } else {
        plural.strip_suffix('s').unwrap_or(plural).to_owned()
    };
    stem.replace('_', " ")
}

/// What an operation does, in a few words: `Change environment variables of an app`.
pub(super) fn summary(method: &Method, path: &str, lists: bool) -> String {
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let skipped = segments
        .iter()
        .take_while(|part| ["v3", "api", "v1", "relationships"].contains(part))
        .count();
    let segments = segments.get(skipped..).unwrap_or_default();
    // What it is about: the last words of the path, and whether one of them is picked.
    let mut things: Vec<(String, bool)> = Vec::new();
    let mut action = None;
    let mut rest = segments.iter().peekable();
    while let Some(segment) = rest.next() {
        if is_parameter(segment) || *segment == "relationships" {
            continue;
        }
        if *segment == "actions" {
            action = rest.next().map(|verb| verb.replace('_', " "));
            continue;
        }
        let picked = rest.peek().is_some_and(|next| is_parameter(next));
        let name = if picked {
            singular(segment)
        } else {
            segment.replace('_', " ")
        };
        things.push((name, picked));
    }
    let verb = match (*method == Method::GET, lists) {
        _ if action.is_some() => action.unwrap_or_default(),
        (true, true) => "list".to_owned(),
        (true, false) => "show".to_owned(),
        _ if *method == Method::POST => "post".to_owned(),
        _ if *method == Method::DELETE => "delete".to_owned(),
        _ if *method == Method::PUT => "replace".to_owned(),
        _ => "change".to_owned(),
    };
    let verb = match things.last() {
        Some((_, false)) if verb == "post" => "create in".to_owned(),
        _ => verb,
    };
    let article = |(name, picked): &(String, bool)| match (picked, name.chars().next()) {
        (true, Some('a' | 'e' | 'i' | 'o')) => format!("an {name}"),
        (true, _) => format!("a {name}"),
        (false, _) => name.clone(),
    };
    let things: Vec<String> = things.iter().rev().map(article).collect();
    let mut text = format!("{verb} {}", things.join(" of "));
    if let Some(first) = text.get(..1).map(str::to_ascii_uppercase) {
        text.replace_range(..1, &first);
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_sentences() {
        let check = |method: Method, path: &str, lists: bool, expected: &str| {
            assert_eq!(summary(&method, path, lists), expected);
        };
        check(Method::GET, "/v3/apps", true, "List apps");
        check(Method::GET, "/v3/apps/{guid}", false, "Show an app");
        check(
            Method::PATCH,
            "/v3/apps/{guid}/environment_variables",
            false,
            "Change environment variables of an app",
        );
        check(
            Method::POST,
            "/v3/apps/{guid}/actions/start",
            false,
            "Start an app",
        );
        check(
            Method::DELETE,
            "/v3/security_groups/{guid}/relationships/running_spaces/{space}",
            false,
            "Delete a running space of a security group",
        );
        check(Method::POST, "/v3/apps", false, "Create in apps");
    }

    #[test]
    fn an_id_is_a_word() {
        let id = id(&Method::GET, "/v3/apps/{guid}/processes/{type}");
        assert_eq!(id, "get_v3_apps_guid_processes_type");
    }
}
