//! What the API says when it refuses.

use http::StatusCode;
use serde::Deserialize;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) title: String,
    pub(crate) details: Vec<String>,
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.details.join("; "))
    }
}

#[derive(Deserialize)]
struct Body {
    errors: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
}

#[derive(Deserialize)]
struct Uaa {
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Most of a body that is not one of ours that is shown.
const SHOWN: usize = 300;

impl ApiError {
    /// The refusal in an answer, whether it speaks Cloud Foundry's JSON, UAA's, or neither.
    pub(super) fn read(status: StatusCode, body: &[u8]) -> Self {
        if let Ok(body) = serde_json::from_slice::<Body>(body)
            && !body.errors.is_empty()
        {
            return Self {
                status,
                title: body.errors[0].title.clone(),
                details: body.errors.into_iter().map(|error| error.detail).collect(),
            };
        }
        if let Ok(uaa) = serde_json::from_slice::<Uaa>(body) {
            let description = uaa.error_description;
            return Self {
                status,
                details: vec![if description.is_empty() {
                    uaa.error.clone()
                } else {
                    description
                }],
                title: uaa.error,
            };
        }
        let text: String = String::from_utf8_lossy(body)
            .trim()
            .chars()
            .take(SHOWN)
            .collect();
        let detail = match text.as_str() {
            "" => format!("the platform answered {status}"),
            text => format!("the platform answered {status}: {text}"),
        };
        Self {
            status,
            title: String::new(),
            details: vec![detail],
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        let has = |part: &str| self.details.iter().any(|detail| detail.contains(part));
        match self.status.as_u16() {
            401 => Some("run `pastina login`"),
            403 => Some("ask a manager of the space for the role of a developer"),
            413 => Some("leave files out with a .cfignore; limits.upload sets how much is taken"),
            422 if has("larger than") => {
                Some("leave files out with a .cfignore; limits.upload sets how much is taken")
            }
            422 if has("already exists") || has("already in use") || has("is taken") => {
                Some("choose another name, or delete the other one first")
            }
            422 if has("default route") => Some(
                "push under a name that can stand in an address (letters, digits, `-`), with \
                 --no-route, or with `routes:` in a manifest",
            ),
            422 if has("admin buildpack") => {
                Some("leave -b out, and the runtime is recognised by the app's files")
            }
            422 if has("droplet") => Some("build it first: `pastina push` or `pastina restage`"),
            422 if has("STAGING") => Some("another push is being built; wait for it and try again"),
            422 if has("quota") => Some("scale something down, or ask for a larger quota"),
            503 => Some("the platform is busy or stopping; try again in a moment"),
            500.. => Some("the platform's own log says more; show it to whoever runs it"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_in_every_dialect() {
        let check = |body: &str, expected: &str| {
            let error = ApiError::read(StatusCode::UNPROCESSABLE_ENTITY, body.as_bytes());
            assert_eq!(error.to_string(), expected);
        };
        check(
            r#"{"errors":[{"code":1,"title":"CF-X","detail":"one"},{"detail":"two"}]}"#,
            "one; two",
        );
        check(
            r#"{"error":"invalid_token","error_description":"gone"}"#,
            "gone",
        );
        check(r#"{"error":"invalid_token"}"#, "invalid_token");
        check(
            "<html>",
            "the platform answered 422 Unprocessable Entity: <html>",
        );
        check("", "the platform answered 422 Unprocessable Entity");
    }
}
