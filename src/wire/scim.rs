//! SCIM as UAA speaks it: filters, groups, pages.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::user::Secret;
use crate::model::{Group, Timestamp, User};

/// Deepest nesting of a filter.
const DEEPEST: usize = 16;
/// Longest filter in bytes.
const LONGEST: usize = 16 * 1024;

/// What a list is narrowed by (RFC 7644, 3.4.2.2): comparisons with `eq`, `ne`, `co`, `sw`, `ew`,
/// `gt`, `ge`, `lt`, `le` and `pr`, joined by `and` and `or`, denied by `not`, in parentheses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Everything passes.
    All,
    /// Both pass.
    And(Box<Self>, Box<Self>),
    /// One of them passes.
    Or(Box<Self>, Box<Self>),
    /// It does not pass.
    Not(Box<Self>),
    /// The attribute is there.
    Present(String),
    /// A value of the attribute compares so.
    Compare(String, Operator, String),
}

/// How values are compared; letters' case does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Equal.
    Equal,
    /// Not equal.
    Unequal,
    /// In it somewhere.
    Contains,
    /// At its start.
    Starts,
    /// At its end.
    Ends,
    /// Later in the order of letters.
    Greater,
    /// The same or later.
    AtLeast,
    /// Earlier.
    Less,
    /// The same or earlier.
    AtMost,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Word(String),
    Text(String),
}

impl Filter {
    /// The filter in `text`; none where it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim().is_empty() {
            return Some(Self::All);
        }
        if text.len() > LONGEST {
            return None;
        }
        let tokens = tokens(text)?;
        let mut rest = tokens.as_slice();
        let filter = either(&mut rest, DEEPEST)?;
        rest.is_empty().then_some(filter)
    }

    /// Whether something passes whose attributes, named in lower case, have these values.
    pub fn passes(&self, values: &dyn Fn(&str) -> Vec<String>) -> bool {
        match self {
            Self::All => true,
            Self::And(a, b) => a.passes(values) && b.passes(values),
            Self::Or(a, b) => a.passes(values) || b.passes(values),
            Self::Not(filter) => !filter.passes(values),
            Self::Present(name) => values(name).iter().any(|value| !value.is_empty()),
            Self::Compare(name, Operator::Unequal, wanted) => !values(name)
                .iter()
                .any(|value| Operator::Equal.holds(value, wanted)),
            Self::Compare(name, operator, wanted) => values(name)
                .iter()
                .any(|value| operator.holds(value, wanted)),
        }
    }

    /// Whether every attribute that is asked about is in `known`.
    #[must_use]
    pub fn asks_only(&self, known: &[&str]) -> bool {
        match self {
            Self::All => true,
            Self::And(a, b) | Self::Or(a, b) => a.asks_only(known) && b.asks_only(known),
            Self::Not(filter) => filter.asks_only(known),
            Self::Present(name) | Self::Compare(name, ..) => known.contains(&name.as_str()),
        }
    }
}

impl Operator {
    fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "eq" => Self::Equal,
            "ne" => Self::Unequal,
            "co" => Self::Contains,
            "sw" => Self::Starts,
            "ew" => Self::Ends,
            "gt" => Self::Greater,
            "ge" => Self::AtLeast,
            "lt" => Self::Less,
            "le" => Self::AtMost,
            _ => return None,
        })
    }

    fn holds(self, value: &str, wanted: &str) -> bool {
        let (value, wanted) = (value.to_lowercase(), wanted.to_lowercase());
        match self {
            Self::Equal => value == wanted,
            Self::Unequal => value != wanted,
            Self::Contains => value.contains(&wanted),
            Self::Starts => value.starts_with(&wanted),
            Self::Ends => value.ends_with(&wanted),
            Self::Greater => value > wanted,
            Self::AtLeast => value >= wanted,
            Self::Less => value < wanted,
            Self::AtMost => value <= wanted,
        }
    }
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let after = match first {
            '(' => {
                tokens.push(Token::Open);
                &rest[1..]
            }
            ')' => {
                tokens.push(Token::Close);
                &rest[1..]
            }
            '"' | '\'' => {
                let (value, after) = super::user::quoted(rest)?;
                tokens.push(Token::Text(value));
                after
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || "()\"'".contains(c);
                let end = rest.find(ends).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..end].to_owned()));
                &rest[end..]
            }
        };
        rest = after.trim_start();
    }
    Some(tokens)
}

fn is_word(token: Option<&Token>, word: &str) -> bool {
    matches!(token, Some(Token::Word(text)) if text.eq_ignore_ascii_case(word))
}

fn either(rest: &mut &[Token], depth: usize) -> Option<Filter> {
    let mut filter = both(rest, depth)?;
    while is_word(rest.first(), "or") {
        *rest = &rest[1..];
        filter = Filter::Or(Box::new(filter), Box::new(both(rest, depth)?));
    }
    Some(filter)
}

fn both(rest: &mut &[Token], depth: usize) -> Option<Filter> {
    let mut filter = one(rest, depth)?;
    while is_word(rest.first(), "and") {
        *rest = &rest[1..];
        filter = Filter::And(Box::new(filter), Box::new(one(rest, depth)?));
    }
    Some(filter)
}

fn one(rest: &mut &[Token], depth: usize) -> Option<Filter> {
    let depth = depth.checked_sub(1)?;
    let (first, after) = rest.split_first()?;
    *rest = after;
    match first {
        Token::Open => {
            let filter = either(rest, depth)?;
            let (close, after) = rest.split_first()?;
            *rest = after;
            (*close == Token::Close).then_some(filter)
        }
        Token::Word(word)
            if word.eq_ignore_ascii_case("not") && rest.first() == Some(&Token::Open) =>
        {
            one(rest, depth).map(|filter| Filter::Not(Box::new(filter)))
        }
        Token::Word(name) => {
            let name = name.to_ascii_lowercase();
            let (operator, after) = rest.split_first()?;
            *rest = after;
            let Token::Word(operator) = operator else {
                return None;
            };
            if operator.eq_ignore_ascii_case("pr") {
                return Some(Filter::Present(name));
            }
            let operator = Operator::parse(operator)?;
            let (value, after) = rest.split_first()?;
            *rest = after;
            let value = match value {
                Token::Text(text) | Token::Word(text) => text.clone(),
                Token::Open | Token::Close => return None,
            };
            Some(Filter::Compare(name, operator, value))
        }
        Token::Close | Token::Text(_) => None,
    }
}

/// What filters of users may ask about, in lower case.
pub const USER_ATTRIBUTES: [&str; 14] = [
    "id",
    "username",
    "origin",
    "emails.value",
    "email",
    "name.givenname",
    "givenname",
    "name.familyname",
    "familyname",
    "phonenumbers.value",
    "active",
    "verified",
    "meta.created",
    "meta.lastmodified",
];

/// The values of a user's attribute.
#[must_use]
pub fn user_values(user: &User, attribute: &str) -> Vec<String> {
    vec![match attribute {
        "id" => user.id.to_string(),
        "username" => user.username.to_string(),
        "email" | "emails.value" => user.email().to_owned(),
        "name.givenname" | "givenname" => return user.profile.given_name.iter().cloned().collect(),
        "name.familyname" | "familyname" => {
            return user.profile.family_name.iter().cloned().collect();
        }
        "phonenumbers.value" => return user.profile.phone.iter().cloned().collect(),
        "origin" => user.origin.clone(),
        "active" => (!user.profile.inactive).to_string(),
        "verified" => "true".to_owned(),
        "meta.created" => user.created_at.to_string(),
        "meta.lastmodified" => user.updated_at.to_string(),
        _ => return Vec::new(),
    }]
}

/// What filters of groups may ask about, in lower case.
pub const GROUP_ATTRIBUTES: [&str; 5] = [
    "id",
    "displayname",
    "description",
    "meta.created",
    "meta.lastmodified",
];

/// The values of a group's attribute.
#[must_use]
pub fn group_values(group: &Group, attribute: &str) -> Vec<String> {
    vec![match attribute {
        "id" => group.id.to_string(),
        "displayname" => group.name.clone(),
        "description" => group.description.clone(),
        "meta.created" => group.created_at.to_string(),
        "meta.lastmodified" => group.updated_at.to_string(),
        _ => return Vec::new(),
    }]
}

/// Body of `POST` and `PUT` of groups.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct GroupBody {
    /// The name.
    #[serde(rename = "displayName")]
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Who is in it.
    #[serde(default)]
    pub members: Vec<Member>,
}

/// A member of a group.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Member {
    /// The user's guid.
    pub value: String,
}

/// A member as it is shown.
#[must_use]
pub fn member(user: &User) -> Value {
    json!({ "value": user.id.to_string(), "type": "USER", "origin": user.origin })
}

fn meta(created: Timestamp, updated: Timestamp) -> Value {
    json!({
        "version": 0,
        "created": created.to_string(),
        "lastModified": updated.to_string(),
    })
}

/// One group with its members.
#[must_use]
pub fn group<'a>(group: &Group, members: impl IntoIterator<Item = &'a User>) -> Value {
    let members: Vec<_> = members.into_iter().map(member).collect();
    json!({
        "id": group.id.to_string(),
        "meta": meta(group.created_at, group.updated_at),
        "displayName": group.name,
        "description": group.description,
        "zoneId": "uaa",
        "members": members,
        "schemas": ["urn:scim:schemas:core:1.0"],
    })
}

/// A page of a list that has `total` items in all.
#[must_use]
pub fn page(resources: &[Value], start: usize, count: usize, total: usize) -> Value {
    json!({
        "resources": resources,
        "startIndex": start,
        "itemsPerPage": count,
        "totalResults": total,
        "schemas": ["urn:scim:schemas:core:1.0"],
    })
}

/// Body of a client's new secret.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct SecretChange {
    /// The one until now; admins may leave it out.
    #[serde(rename = "oldSecret", default)]
    pub old: Option<Secret>,
    /// The one from now on.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// `UPDATE` (or nothing), `ADD` or `DELETE`.
    #[serde(rename = "changeMode", default)]
    pub mode: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<bool>) {
        let values = |name: &str| match name {
            "username" => vec!["Ann@uni.kr".to_owned()],
            "origin" => vec!["uaa".to_owned()],
            "emails.value" => vec!["a@b".to_owned(), "c@d".to_owned()],
            _ => Vec::new(),
        };
        let got = Filter::parse(text).map(|filter| filter.passes(&values));
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn reads_what_clients_send() {
        check("", Some(true));
        check(r#"userName eq "ann@uni.kr""#, Some(true));
        check(r#"userName Eq "ann" and origin eq "uaa""#, Some(false));
        check(r#"userName sw "ann" and origin eq "uaa""#, Some(true));
        check(r#"userName co "UNI" or origin eq "ldap""#, Some(true));
        check(
            r#"origin eq "ldap" or origin eq "uaa" and userName ew "kr""#,
            Some(true),
        );
        check(
            r#"(origin eq "uaa" or userName pr) and userName ne "x""#,
            Some(true),
        );
        check(r#"not (userName eq "ann@uni.kr")"#, Some(false));
        check(r#"emails.value eq "c@d""#, Some(true));
        check("nickname pr", Some(false));
        check(r#"userName eq 'ann\'s'"#, Some(false));
    }

    #[test]
    fn refuses_what_is_no_filter() {
        check(r#"userName eq"#, None);
        check(r#"userName eq "a"#, None);
        check(r#"userName like "a""#, None);
        check(r#"userName eq "a" and"#, None);
        check(r#"(userName eq "a""#, None);
        check(r#"userName eq "a")"#, None);
        check(&"(".repeat(100_000), None);
        check(&format!("{}a pr{}", "(".repeat(40), ")".repeat(40)), None);
    }

    #[test]
    fn knows_what_is_asked_about() {
        let filter = Filter::parse(r#"userName eq "a" or password co "b""#).unwrap();
        assert!(!filter.asks_only(&USER_ATTRIBUTES));
        let filter = Filter::parse(r#"userName eq "a" or id pr"#).unwrap();
        assert!(filter.asks_only(&USER_ATTRIBUTES));
    }
}
