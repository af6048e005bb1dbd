//! The pages of UAA's part that people see: a form to log in, and a code to take along.

use axum::{
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use crate::api::openapi::{Answers, Operation, escaped};

const STYLE: &str = "body{word-break:keep-all;font:16px/1.5 system-ui,sans-serif;max-width:24rem;margin:4rem auto;\
padding:0 1rem;color:#222;background:#fff}label{display:block;margin:.8rem 0}input{font:inherit;\
width:100%;box-sizing:border-box;padding:.4rem}button{font:inherit;padding:.5rem 1.2rem}\
.button{display:block;text-align:center;border:1px solid;border-radius:.3rem;padding:.5rem;\
color:inherit;text-decoration:none}code{font-size:1.2rem;word-break:break-all}.wrong{color:#b00020}\
@media(prefers-color-scheme:dark){body{color:#eee;background:#111}.wrong{color:#ff8a8a}}";

/// A page as an answer.
#[derive(Debug)]
pub(super) struct Page(Response);

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Answers for Page {
    fn describe(operation: &mut Operation) {
        for status in [200, 400, 401] {
            operation.answer(status, Some(("text/html", serde_json::json!(true))));
        }
    }
}

/// Nothing but the page's own style may be loaded, no other site may show it in a frame, and its
/// form may go nowhere else, but that whoever is sent `back` to a program after it must get there.
fn policy(back: Option<&str>) -> String {
    let back = back.and_then(|uri| {
        let uri: Uri = uri.parse().ok()?;
        Some(format!(" {}://{}", uri.scheme_str()?, uri.authority()?))
    });
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'{}; \
         frame-ancestors 'none'; base-uri 'none'",
        back.unwrap_or_default()
    )
}

fn page(status: StatusCode, title: &str, body: &str) -> Page {
    page_before(None, status, title, body)
}

/// A page whose form ends with a way `back` to a program.
fn page_before(back: Option<&str>, status: StatusCode, title: &str, body: &str) -> Page {
    let text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy(back)),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    Page((status, headers, text).into_response())
}

/// A page on which people say who they are.
#[derive(Debug)]
pub(super) struct Login<'a> {
    /// Where its form is sent to.
    pub(super) action: &'a str,
    /// What they log in for.
    pub(super) purpose: &'a str,
    /// What the form carries on.
    pub(super) hidden: &'a [(&'a str, &'a str)],
    /// Addresses and names of other identity providers.
    pub(super) others: &'a [(String, &'a str)],
    /// The program that they are sent back to.
    pub(super) back: Option<&'a str>,
    /// What was wrong with the last try.
    pub(super) wrong: Option<&'a str>,
}

/// A form for a user name and a password, and the ways to other providers.
pub(super) fn login(login: &Login<'_>) -> Page {
    let hidden = login.hidden.iter().map(|(name, value)| {
        let (name, value) = (escaped(name), escaped(value));
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")
    });
    let hidden: String = hidden.collect();
    let others = login.others.iter().map(|(address, name)| {
        let (address, name) = (escaped(address), escaped(name));
        format!(
            "<p><a class=\"button\" href=\"{address}\">Log in with {name} · {name} 계정으로 \
             로그인</a></p>"
        )
    });
    let others: String = others.collect();
    let status = if login.wrong.is_some() {
        StatusCode::UNAUTHORIZED
    } else {
        StatusCode::OK
    };
    let wrong = login.wrong.map_or_else(String::new, |wrong| {
        format!("<p class=\"wrong\" role=\"alert\">{}</p>", escaped(wrong))
    });
    let body = format!(
        "<p>{}</p>{wrong}{others}<form method=\"post\" action=\"{}\">{hidden}\
         <label>User name · 사용자 이름<input name=\"username\" autocomplete=\"username\" \
         autofocus required></label>\
         <label>Password · 비밀번호<input name=\"password\" type=\"password\" \
         autocomplete=\"current-password\" required></label>\
         <button>Log in · 로그인</button></form>",
        escaped(login.purpose),
        escaped(login.action),
    );
    page_before(login.back, status, "Log in · 로그인", &body)
}

/// A code to take along.
pub(super) fn code(code: &str) -> Page {
    let body = format!(
        "<p>Enter this code where you were asked for it. It works once, for five minutes.<br>\
         이 코드를 요청한 곳에 입력하세요. 5분 안에 한 번만 쓸 수 있습니다.</p>\
         <p><code>{}</code></p>",
        escaped(code)
    );
    page(StatusCode::OK, "Temporary code · 임시 코드", &body)
}

/// What cannot be done, in words.
pub(super) fn refusal(text: &str) -> Page {
    let body = format!("<p class=\"wrong\" role=\"alert\">{}</p>", escaped(text));
    page(
        StatusCode::BAD_REQUEST,
        "Cannot log in · 로그인할 수 없음",
        &body,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_goes_to_the_platform_and_back_to_the_program_alone() {
        let of = |back: Option<&str>| {
            let policy = policy(back);
            let found = policy
                .split("; ")
                .find(|part| part.starts_with("form-action"));
            found.unwrap().to_owned()
        };
        assert_eq!(of(None), "form-action 'self'");
        let back = of(Some("http://localhost:8085/callback?a=b"));
        assert_eq!(back, "form-action 'self' http://localhost:8085");
        assert_eq!(of(Some("nonsense; script-src *")), "form-action 'self'");
    }
}
