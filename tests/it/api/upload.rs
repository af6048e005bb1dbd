//! Uploads and downloads of packages and droplets.

use std::{
    io::{Read as _, Write as _},
    path::Path,
};

use axum::{
    body::{Body, Bytes},
    http::{Request, header},
};
use futures_util::stream;
use pastina::model::{AppId, Droplet, DropletId, DropletState};
use serde_json::{Value, json};
use tower_service::Service as _;

use super::{
    apps::make_app,
    harness::{Answer, Platform, guid, to_one},
};

const BOUNDARY: &str = "limit";

/// A zip with these files.
fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The parts of a form.
fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content) in parts {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; \
             filename=\"{name}\"\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

async fn package(platform: &Platform, app: &str) -> String {
    let body = json!({ "type": "bits", "relationships": { "app": to_one(app) } });
    guid(&platform.make("/v3/packages", body).await)
}

fn request(platform: &Platform, package: &str) -> axum::http::request::Builder {
    Request::post(format!("/v3/packages/{package}/upload"))
        .header(header::HOST, "api.apps.test")
        .header(header::AUTHORIZATION, format!("bearer {}", platform.admin))
        .header(
            header::CONTENT_TYPE,
            format!("multipart/form-data; boundary={BOUNDARY}"),
        )
}

async fn upload(platform: &Platform, package: &str, body: impl Into<Body>) -> Answer {
    let request = request(platform, package).body(body.into()).unwrap();
    platform.send(request).await
}

async fn state(platform: &Platform, package: &str) -> String {
    let shown = platform.get(&format!("/v3/packages/{package}")).await;
    shown["state"].as_str().unwrap().to_owned()
}

/// Every file below `folder`.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path().display().to_string());
        }
    }
    found.sort();
    found
}

/// What a download answers with.
async fn download(platform: &Platform, path: &str) -> Bytes {
    let request = Request::get(path)
        .header(header::HOST, "api.apps.test")
        .header(header::AUTHORIZATION, format!("bearer {}", platform.admin))
        .body(Body::empty())
        .unwrap();
    let mut service = platform.router.clone().into_service::<Body>();
    let response = service.call(request).await.unwrap();
    assert_eq!(response.status(), 200);
    axum::body::to_bytes(response.into_body(), 10_000_000)
        .await
        .unwrap()
}

#[tokio::test]
async fn bits_are_uploaded_once_and_come_back() {
    let platform = Platform::start().await;
    let app = make_app(&platform, "shop").await;
    let first = package(&platform, &app).await;
    let zip = zipped(&[("index.html", b"<h1>hello</h1>")]);
    let body = form(&[("resources", b"[]"), ("bits", &zip)]);
    let done = upload(&platform, &first, body.clone()).await.expect(200);
    assert_eq!(done["state"], "READY");
    assert_eq!(done["data"]["checksum"]["type"], "sha256");
    let again = upload(&platform, &first, body).await;
    assert_eq!(again.json["errors"][0]["code"], 150_004);
    let back = download(&platform, &format!("/v3/packages/{first}/download")).await;
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(back)).unwrap();
    let mut text = String::new();
    let mut file = archive.by_name("index.html").unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "<h1>hello</h1>");
}

#[tokio::test]
async fn files_that_are_kept_need_not_come_again() {
    let platform = Platform::start().await;
    let app = make_app(&platform, "shop").await;
    let first = package(&platform, &app).await;
    // Small files are not worth remembering, so this one is not small.
    let content = b"0123456789abcdef".repeat(8_192);
    let zip = zipped(&[("a/big.txt", &content)]);
    upload(&platform, &first, form(&[("bits", &zip)]))
        .await
        .expect(200);
    let sha1: String = {
        use sha1::Digest as _;
        sha1::Sha1::digest(&content)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    };
    let asked = json!({ "resources": [
        { "path": "b/same.txt", "mode": "0644", "checksum": { "value": sha1 },
          "size_in_bytes": content.len() },
        { "path": "c.txt", "mode": "0644", "checksum": { "value": "00".repeat(20) },
          "size_in_bytes": 5 },
    ] });
    let matched = platform.make("/v3/resource_matches", asked).await;
    assert_eq!(
        matched["resources"].as_array().unwrap().len(),
        1,
        "{matched}"
    );
    let list = matched["resources"].to_string();
    let second = package(&platform, &app).await;
    let done = upload(&platform, &second, form(&[("resources", list.as_bytes())])).await;
    assert_eq!(done.expect(200)["state"], "READY");
    let back = download(&platform, &format!("/v3/packages/{second}/download")).await;
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(back)).unwrap();
    assert_eq!(
        archive.by_name("b/same.txt").unwrap().size(),
        content.len() as u64
    );
}

#[tokio::test]
async fn what_is_no_zip_fails_the_package_for_good() {
    let platform = Platform::start().await;
    let app = make_app(&platform, "shop").await;
    for bits in [b"not a zip".to_vec(), zipped(&[("../evil", b"x")])] {
        let bad = package(&platform, &app).await;
        let refused = upload(&platform, &bad, form(&[("bits", &bits)])).await;
        assert_ne!(refused.refusal(422), "");
        assert_eq!(state(&platform, &bad).await, "FAILED");
        let shown = platform.get(&format!("/v3/packages/{bad}")).await;
        assert_ne!(shown["data"]["error"], Value::Null);
    }
    let empty = package(&platform, &app).await;
    let none = upload(&platform, &empty, form(&[("resources", b"[]")])).await;
    assert!(none.refusal(422).contains("'bits'"));
    let wrong = upload(&platform, &empty, form(&[("resources", b"{")])).await;
    assert!(wrong.refusal(422).contains("'resources'"));
    assert_eq!(state(&platform, &empty).await, "AWAITING_UPLOAD");
}

#[tokio::test]
async fn too_much_is_refused_before_and_while_it_comes_and_leaves_nothing() {
    let platform = Platform::start().await;
    let app = make_app(&platform, "shop").await;
    let large = package(&platform, &app).await;
    let before = files(platform.folder());
    let ten_gigabytes = request(&platform, &large)
        .header(header::CONTENT_LENGTH, 10_u64 << 30)
        .body(Body::from_stream(stream::pending::<
            Result<Bytes, std::io::Error>,
        >()))
        .unwrap();
    let refused = platform.send(ten_gigabytes).await;
    assert!(refused.refusal(413).contains("limit of 1 MiB"));
    // Without a length it is seen while it comes, long before the stream would end.
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"bits\"; filename=\"x\"\r\n\r\n"
    );
    let endless = stream::unfold(Some(head), |head| async move {
        let chunk = head.map_or_else(|| Bytes::from(vec![0; 65_536]), Bytes::from);
        Some((Ok::<_, std::io::Error>(chunk), None))
    });
    let refused = upload(&platform, &large, Body::from_stream(endless)).await;
    assert!(refused.refusal(413).contains("limit"));
    assert_eq!(files(platform.folder()), before);
    assert_eq!(state(&platform, &large).await, "AWAITING_UPLOAD");
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing_and_may_come_again() {
    let platform = Platform::start().await;
    let app = make_app(&platform, "shop").await;
    let broken = package(&platform, &app).await;
    let before = files(platform.folder());
    let zip = zipped(&[("a", b"content")]);
    let whole = form(&[("bits", &zip)]);
    let half = Bytes::from(whole[..whole.len() / 2].to_vec());
    let error = || Err(std::io::Error::other("gone"));
    for end in [vec![Ok(half.clone())], vec![Ok(half.clone()), error()]] {
        let answer = upload(&platform, &broken, Body::from_stream(stream::iter(end))).await;
        assert!(answer.refusal(400).contains("broke off"));
        assert_eq!(files(platform.folder()), before);
    }
    assert_eq!(state(&platform, &broken).await, "AWAITING_UPLOAD");
    upload(&platform, &broken, whole).await.expect(200);
}

#[tokio::test]
async fn of_two_uploads_at_once_one_wins() {
    let platform = Platform::start().await;
    let app = make_app(&platform, "shop").await;
    let package = package(&platform, &app).await;
    let [one, two] =
        [b"1", b"2"].map(|content| form(&[("bits", zipped(&[("a", content)]).as_slice())]));
    let (one, two) = tokio::join!(
        upload(&platform, &package, one),
        upload(&platform, &package, two)
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    assert_eq!(state(&platform, &package).await, "READY");
}

#[tokio::test]
async fn a_droplet_is_downloaded_as_a_tar_in_gzip() {
    let platform = Platform::start().await;
    let app = make_app(&platform, "shop").await;
    let id: AppId = app.parse().unwrap();
    let droplet: DropletId = super::push::droplet(&platform, &app).await.parse().unwrap();
    let home = tempfile::tempdir_in(platform.folder()).unwrap();
    std::fs::create_dir(home.path().join("app")).unwrap();
    std::fs::write(home.path().join("app/index.html"), "hello").unwrap();
    let blob = platform
        .actions
        .blobs
        .put_droplet(id, droplet, home.path())
        .await
        .unwrap();
    let commit = platform.store.commit(|tx| {
        let mut stored = Droplet::clone(&tx.droplets[&droplet]);
        stored.state = DropletState::Staged {
            sha256: blob.sha256,
            size: blob.size,
        };
        tx.put(stored);
        Ok::<_, pastina::store::StoreError>(())
    });
    commit.await.unwrap();
    let bytes = download(&platform, &format!("/v3/droplets/{droplet}/download")).await;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&bytes[..]));
    let names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert!(
        names.iter().any(|name| name.ends_with("app/index.html")),
        "{names:?}"
    );
}
