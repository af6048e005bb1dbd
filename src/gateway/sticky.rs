//! Sessions that stay with an instance: the app's `JSESSIONID`, the gateway's `__VCAP_ID__`.

use http::{HeaderMap, HeaderValue, header};

use crate::model::InstanceId;

/// The cookie of an app's that asks for a sticky session.
const SESSION: &str = "JSESSIONID";

/// The cookie that names the instance.
const INSTANCE: &str = "__VCAP_ID__";

/// The instance that the request's session is with, where it has one.
pub(super) fn wanted(headers: &HeaderMap) -> Option<InstanceId> {
    let lines = headers.get_all(header::COOKIE).iter();
    wanted_by(lines.map(HeaderValue::as_bytes))
}

/// The same of the values of its Cookie fields.
pub(super) fn wanted_by<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<InstanceId> {
    let mut session = false;
    let mut instance = None;
    for line in lines {
        for pair in std::str::from_utf8(line).ok()?.split(';') {
            match pair.trim().split_once('=') {
                Some((SESSION, _)) => session = true,
                Some((INSTANCE, id)) => instance = id.parse().ok(),
                _ => {}
            }
        }
    }
    instance.filter(|_| session)
}

/// Binds a session to `instance`: one that the response begins, or one whose instance is gone
/// (`lost`).
pub(super) fn bind(headers: &mut HeaderMap, instance: InstanceId, lost: bool) {
    let lines = headers.get_all(header::SET_COOKIE).iter();
    if let Some(cookie) = binding(lines.map(HeaderValue::as_bytes), instance, lost)
        && let Ok(cookie) = HeaderValue::try_from(cookie)
    {
        headers.append(header::SET_COOKIE, cookie);
    }
}

/// The cookie that binds, where the values of the response's Set-Cookie fields or a lost
/// instance ask for one.
pub(super) fn binding<'a>(
    mut lines: impl Iterator<Item = &'a [u8]>,
    instance: InstanceId,
    lost: bool,
) -> Option<String> {
    let begun = lines.find_map(|line| {
        let line = std::str::from_utf8(line).ok()?;
        (line.split('=').next().map(str::trim) == Some(SESSION)).then_some(line)
    });
    match begun {
        Some(session) => Some(cookie(session, instance)),
        None if lost => Some(format!("{INSTANCE}={instance}; Path=/; HttpOnly")),
        None => None,
    }
}

/// The cookie that lives as long and goes the same ways as the app's.
fn cookie(session: &str, instance: InstanceId) -> String {
    let mut cookie = format!("{INSTANCE}={instance}");
    let mut path = false;
    for attribute in session.split(';').skip(1).map(str::trim) {
        let name = attribute.split('=').next().unwrap_or("");
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
        path |= is("path");
        if [
            "path",
            "secure",
            "samesite",
            "expires",
            "max-age",
            "partitioned",
        ]
        .into_iter()
        .any(is)
        {
            cookie.push_str("; ");
            cookie.push_str(attribute);
        }
    }
    if !path {
        cookie.push_str("; Path=/");
    }
    cookie.push_str("; HttpOnly");
    cookie
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_session_needs_both_cookies() {
        let id = InstanceId::random();
        let check =
            |line: &str, expected| assert_eq!(wanted(&with(header::COOKIE, line)), expected);
        check(&format!("a=1; JSESSIONID=x; __VCAP_ID__={id}"), Some(id));
        check(&format!("__VCAP_ID__={id}"), None);
        check("JSESSIONID=x; __VCAP_ID__=nonsense", None);
    }

    #[test]
    fn the_instance_cookie_follows_the_apps() {
        let id = InstanceId::random();
        let mut map = with(
            header::SET_COOKIE,
            "JSESSIONID=x; Path=/a; Secure; Max-Age=-1; HttpOnly",
        );
        bind(&mut map, id, false);
        let lines: Vec<_> = map.get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(
            lines[1],
            &format!("__VCAP_ID__={id}; Path=/a; Secure; Max-Age=-1; HttpOnly")
        );
        let mut plain = with(header::SET_COOKIE, "other=1");
        bind(&mut plain, id, false);
        assert_eq!(plain.get_all(header::SET_COOKIE).iter().count(), 1);
        bind(&mut plain, id, true);
        assert_eq!(plain.get_all(header::SET_COOKIE).iter().count(), 2);
    }
}
