//! The pages of UAA's part that people see: a form to log in, and a code to take along.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::api::openapi::{Answers, Operation, escaped};

/// Nothing but the page's own style may be loaded, no other site may show it in a frame, and its
/// form may go nowhere else.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; \
                      frame-ancestors 'none'; base-uri 'none'";

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:24rem;margin:4rem auto;\
padding:0 1rem;color:#222;background:#fff}label{display:block;margin:.8rem 0}input{font:inherit;\
width:100%;box-sizing:border-box;padding:.4rem}button{font:inherit;padding:.5rem 1.2rem}\
code{font-size:1.2rem;word-break:break-all}.wrong{color:#b00020}\
@media(prefers-color-scheme:dark){body{color:#eee;background:#111}.wrong{color:#ff8a8a}}";

/// A page as an answer.
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

fn page(status: StatusCode, title: &str, body: &str) -> Page {
    let text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    Page((status, headers, text).into_response())
}

/// A form for a user name and a password that is sent to `action` with `hidden` fields; `wrong`
/// says what was wrong with the last try.
pub(super) fn login(
    action: &str,
    purpose: &str,
    hidden: &[(&str, &str)],
    wrong: Option<&str>,
) -> Page {
    let hidden: String = hidden
        .iter()
        .map(|(name, value)| {
            let (name, value) = (escaped(name), escaped(value));
            format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")
        })
        .collect();
    let status = if wrong.is_some() {
        StatusCode::UNAUTHORIZED
    } else {
        StatusCode::OK
    };
    let wrong = wrong.map_or_else(String::new, |wrong| {
        format!("<p class=\"wrong\" role=\"alert\">{}</p>", escaped(wrong))
    });
    let body = format!(
        "<p>{}</p>{wrong}<form method=\"post\" action=\"{}\">{hidden}\
         <label>User name · 사용자 이름<input name=\"username\" autocomplete=\"username\" \
         autofocus required></label>\
         <label>Password · 비밀번호<input name=\"password\" type=\"password\" \
         autocomplete=\"current-password\" required></label>\
         <button>Log in · 로그인</button></form>",
        escaped(purpose),
        escaped(action),
    );
    page(status, "Log in · 로그인", &body)
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
