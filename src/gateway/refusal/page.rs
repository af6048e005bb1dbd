//! The page that a browser shows instead of an app.

use http::{HeaderMap, header};

use super::Refusal;

/// A language that pages are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Korean,
    English,
}

/// Whether the client asks for a page rather than for text: browsers name `text/html`, tools
/// send `*/*` or nothing.
pub(super) fn is_wanted(asked: &HeaderMap) -> bool {
    let accept = asked
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let html = weight(accept, "text/html");
    html > 0 && html >= weight(accept, "text/plain").max(weight(accept, "application/json"))
}

/// The language that the client prefers among ours; English where it prefers none.
pub(super) fn language(asked: &HeaderMap) -> Language {
    let accept = asked
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let best = |language: &str| {
        items(accept)
            .filter(|(name, _)| {
                name.split('-')
                    .next()
                    .is_some_and(|name| name.eq_ignore_ascii_case(language))
            })
            .map(|(_, weight)| weight)
            .max()
            .unwrap_or(0)
    };
    if best("ko") > best("en") {
        Language::Korean
    } else {
        Language::English
    }
}

fn weight(accept: &str, wanted: &str) -> u32 {
    let mut weights = items(accept).filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
    weights.next().map_or(0, |(_, weight)| weight)
}

/// The items of a list with their weights in thousandths (RFC 9110, 12.4.2).
fn items(list: &str) -> impl Iterator<Item = (&str, u32)> {
    list.split(',').map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or("");
        let weight = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(1000, thousandths);
        (name, weight)
    })
}

/// `0.5` as 500; what is no weight counts as none.
pub(in crate::gateway) fn thousandths(text: &str) -> u32 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = part.bytes().chain(std::iter::repeat(b'0')).take(3);
    let part = digits.fold(0, |sum, digit| {
        sum * 10 + u32::from(digit.wrapping_sub(b'0').min(9))
    });
    match whole.trim() {
        "0" => part,
        "1" => 1000,
        _ => 0,
    }
}

/// The whole page.
pub(super) fn html(refusal: Refusal, language: Language, host: &str) -> String {
    let (title, text) = words(refusal, language);
    let lang = match language {
        Language::Korean => "ko",
        Language::English => "en",
    };
    let status = refusal.status().as_u16();
    let host = escape(host);
    format!(
        "<!doctype html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{status} {title}</title>\n<style>\n\
         body{{font:16px/1.6 system-ui,sans-serif;margin:0;display:grid;place-items:center;\
         min-height:100vh;background:#f6f7f9;color:#1d2430}}\n\
         main{{max-width:34rem;padding:2rem}}\nh1{{font-size:1.5rem;margin:.2rem 0 1rem}}\n\
         p{{margin:.5rem 0}}\nsmall,code{{color:#5b6675}}\n\
         @media(prefers-color-scheme:dark){{body{{background:#14181f;color:#e6eaf0}}\
         small,code{{color:#98a3b3}}}}\n</style>\n</head>\n<body>\n<main>\n\
         <small>{status}</small>\n<h1>{title}</h1>\n<p>{text}</p>\n<p><code>{host}</code></p>\n\
         </main>\n</body>\n</html>\n"
    )
}

fn words(refusal: Refusal, language: Language) -> (&'static str, &'static str) {
    use Language::{English, Korean};
    match (refusal, language) {
        (Refusal::UnknownRoute, English) => (
            "There is nothing at this address",
            "No app is mapped to this address. Check the spelling; if the app is yours, map a \
             route to it.",
        ),
        (Refusal::UnknownRoute, Korean) => (
            "이 주소에는 아무것도 없습니다",
            "이 주소에 연결된 앱이 없습니다. 주소를 다시 확인해 주세요. 직접 만든 앱이라면 \
             앱에 라우트를 연결해 주세요.",
        ),
        (Refusal::NoEndpoints, English) => (
            "The app is not running",
            "The app at this address has no running instance at the moment. Try again shortly; \
             if the app is yours, look at its logs and events.",
        ),
        (Refusal::NoEndpoints, Korean) => (
            "앱이 실행 중이 아닙니다",
            "이 주소의 앱에 지금 실행 중인 인스턴스가 없습니다. 잠시 후 다시 시도해 주세요. \
             직접 만든 앱이라면 로그와 이벤트를 확인해 주세요.",
        ),
        (Refusal::EndpointFailure(_), English) => (
            "The app did not answer properly",
            "The app at this address could not be reached or broke off its answer. Try again; \
             if the app is yours, look at its logs.",
        ),
        (Refusal::EndpointFailure(_), Korean) => (
            "앱이 올바르게 응답하지 않았습니다",
            "이 주소의 앱에 연결할 수 없거나 응답이 도중에 끊겼습니다. 다시 시도해 주세요. \
             직접 만든 앱이라면 로그를 확인해 주세요.",
        ),
        (Refusal::EndpointTimeout, English) => (
            "The app took too long",
            "The app at this address did not answer in time. Try again later.",
        ),
        (Refusal::EndpointTimeout, Korean) => (
            "앱의 응답이 너무 늦습니다",
            "이 주소의 앱이 제시간에 응답하지 않았습니다. 나중에 다시 시도해 주세요.",
        ),
        (Refusal::ApiFailure, English) => (
            "The platform could not answer",
            "Something went wrong inside the platform. Try again later.",
        ),
        (Refusal::ApiFailure, Korean) => (
            "플랫폼이 응답하지 못했습니다",
            "플랫폼 내부에 문제가 생겼습니다. 나중에 다시 시도해 주세요.",
        ),
        (
            Refusal::RouteServicesOff
            | Refusal::RouteServiceUpgrade
            | Refusal::SignatureInvalid
            | Refusal::SignatureExpired
            | Refusal::UntrustedCertificate,
            English,
        ) => (
            "The way to the app is blocked",
            "Requests for this address pass a service before they come to the app, and there \
             this one did not get on. If the app is yours, look at its route service.",
        ),
        (
            Refusal::RouteServicesOff
            | Refusal::RouteServiceUpgrade
            | Refusal::SignatureInvalid
            | Refusal::SignatureExpired
            | Refusal::UntrustedCertificate,
            Korean,
        ) => (
            "앱으로 가는 길이 막혔습니다",
            "이 주소의 요청은 앱에 닿기 전에 다른 서비스를 거치는데, 거기서 더 나아가지 \
             못했습니다. 직접 만든 앱이라면 라우트 서비스를 확인해 주세요.",
        ),
        (_, English) => (
            "The request cannot be served",
            "The browser or program sent a request that is not valid here.",
        ),
        (_, Korean) => (
            "처리할 수 없는 요청입니다",
            "브라우저나 프로그램이 보낸 요청이 올바르지 않습니다.",
        ),
    }
}

/// Text within HTML.
pub(in crate::gateway) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            _ => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn asking(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn browsers_get_pages_and_tools_text() {
        let check = |accept, expected| {
            assert_eq!(
                is_wanted(&asking(header::ACCEPT, accept)),
                expected,
                "{accept}"
            );
        };
        check(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            true,
        );
        check("*/*", false);
        check("application/json, text/html;q=0.5", false);
        check("text/html;q=0", false);
        assert!(!is_wanted(&HeaderMap::new()));
    }

    #[test]
    fn the_preferred_language_is_spoken() {
        let check = |accept, expected| {
            assert_eq!(
                language(&asking(header::ACCEPT_LANGUAGE, accept)),
                expected,
                "{accept}"
            );
        };
        check("ko-KR,ko;q=0.9,en-US;q=0.8", Language::Korean);
        check("en-US,en;q=0.9,ko;q=0.8", Language::English);
        check("fr, ko;q=0.1", Language::Korean);
        check("fr", Language::English);
    }

    #[test]
    fn a_page_cannot_be_written_into() {
        let page = html(Refusal::UnknownRoute, Language::Korean, "<script>\"");
        assert!(page.contains("&lt;script&gt;&quot;") && page.contains("lang=\"ko\""));
    }
}
