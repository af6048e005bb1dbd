//! Who may read logs and metrics as they come: answers without an end, of which the status is
//! looked at.

use axum::{
    body::Body,
    http::{Request, header},
};
use tower_service::Service as _;

use super::{ROLES, fill, fixture};
use crate::api::harness::{PASSWORD, Platform};

/// Paths, and what each role is answered, as in the table; at the end who has not logged in, then
/// who watches everything, and then the same with a token for something else.
const STREAMS: [(&str, &str); 6] = [
    ("/v2/read?log&source_id={app}", "yyynnnyyyyynnyn"),
    ("/v2/read?log", "ynnnnnnnnnnnnyn"),
    (
        "/v2/read?log&source_id={app}&source_id={space}",
        "ynnnnnnnnnnnnyn",
    ),
    (
        "/v2/read?source_id={space}&gauge&shard_id=x",
        "ynnnnnnnnnnnnyn",
    ),
    ("/apps/{app}/stream", "yyynnnyyyyynxyn"),
    ("/firehose/nozzle", "yxxxxxxxxxxxxyx"),
];

async fn status(platform: &Platform, token: &str, path: &str) -> u16 {
    let mut request = Request::get(path).header(header::HOST, "log-stream.apps.test");
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("bearer {token}"));
    }
    let mut router = platform.router.clone().into_service::<Body>();
    let answer = router.call(request.body(Body::empty()).unwrap()).await;
    answer.unwrap().status().as_u16()
}

#[tokio::test]
async fn streams_are_for_those_who_may_read_what_is_in_them() {
    let platform = Platform::start().await;
    let (names, mut tokens) = fixture(&platform).await;
    tokens.push(String::new());
    let (user, token) = platform.user("nozzle").await;
    platform.enter("doppler.firehose", &user).await;
    tokens.push(token);
    let form = format!(
        "grant_type=password&username=nozzle&password={}&scope=openid",
        PASSWORD.replace(' ', "+")
    );
    let limited = platform.form("/oauth/token", &form).await.expect(200);
    tokens.push(limited["access_token"].as_str().unwrap().to_owned());
    let mut wrong = Vec::new();
    for (path, letters) in STREAMS {
        let path = fill(path, &names);
        let more = ["nobody", "watcher", "other"];
        let who = ROLES.iter().chain(&more).zip(&tokens).zip(letters.chars());
        for ((who, token), letter) in who {
            let status = status(&platform, token, &path).await;
            let right = match letter {
                // What could be a WebSocket was not asked for as one.
                'y' => [200, 400, 426].contains(&status),
                'x' => status == 401,
                _ => status == 404,
            };
            if !right {
                wrong.push(format!("{who}: {path}: not {letter} but {status}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
