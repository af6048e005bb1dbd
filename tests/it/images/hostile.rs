//! Registries that are hostile or broken: what is said, and that nothing is left behind.

use std::{
    path::Path,
    sync::{Arc, Condvar, Mutex},
};

use pastina::{
    images::{Config, Images, Limits, Policy, Pulled, Reference},
    model::RegistryLogin,
    net::Proxies,
};
use serde_json::json;

use super::{
    fake::{Asked, Fake, Reply},
    made::{Image, Layer, Packed, digest},
};
use crate::support::PATIENCE;

const LIMITS: Limits = Limits {
    download: 8 << 20,
    unpacked: 8 << 20,
    entries: 1000,
};

/// A store of layers that may use the registries of these hosts.
struct Place {
    dir: tempfile::TempDir,
    images: Images,
}

impl Place {
    fn new(local: &[&str]) -> Self {
        Self::with(local, Policy::default(), Proxies::default())
    }

    fn with(local: &[&str], policy: Policy, proxies: Proxies) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let images = Images::open(
            Config {
                dir: dir.path().to_owned(),
                limits: LIMITS,
                policy: Policy {
                    local: local.iter().map(|host| (*host).to_owned()).collect(),
                    ..policy
                },
                proxies,
            },
            false,
        );
        Self {
            dir,
            images: images.unwrap(),
        }
    }

    async fn pull(&self, name: &str, login: Option<(&str, &str)>) -> Result<Pulled, String> {
        let login = login.map(|(username, password)| RegistryLogin {
            username: username.to_owned(),
            password: password.to_owned(),
        });
        let reference = Reference::parse(name).unwrap();
        let pulled = self.images.pull(&reference, login, None, |_| {}).await;
        pulled.map_err(|error| {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            text
        })
    }

    fn left(&self, folder: &str) -> usize {
        std::fs::read_dir(self.dir.path().join(folder))
            .unwrap()
            .count()
    }
}

fn image() -> Image {
    let tar = Layer::new().file("hello", 0o644, b"from a layer").tar();
    Image::new(&[(tar, Packed::Gzip)], &json!({ "Cmd": ["/hello"] }))
}

/// Answers as an honest registry would.
fn honest(image: &Image, asked: &Asked) -> Reply {
    let name = asked.path.rsplit('/').next().unwrap_or_default();
    if asked.path.contains("/manifests/") {
        let kind = image.manifest["mediaType"].as_str().unwrap();
        return Reply::new(200, image.manifest.to_string()).with("Content-Type", kind);
    }
    match image.blobs.iter().find(|blob| digest(blob) == name) {
        Some(blob) => Reply::new(200, blob.clone()),
        None => Reply::new(404, "{}"),
    }
}

/// One registry that answers as `answer` says, or honestly where that says nothing.
fn registry(answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Fake {
    let image = image();
    Fake::start(move |asked| answer(asked).unwrap_or_else(|| honest(&image, asked)))
}

/// Asserts that the pull is refused in these words and leaves nothing.
async fn refused(answer: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static, words: &str) {
    let fake = registry(answer);
    let place = Place::new(&[fake.at()]);
    let said = place.pull(&format!("{}/a:1", fake.at()), None).await;
    let said = said.expect_err(words);
    assert!(said.contains(words), "{said}");
    assert!(!said.contains(|c: char| c.is_control()), "{said:?}");
    assert_eq!((place.left("half"), place.left("layers")), (0, 0), "{said}");
}

fn is_manifest(asked: &Asked) -> bool {
    asked.path.contains("/manifests/")
}

fn is_layer(asked: &Asked) -> bool {
    asked.path.ends_with(&digest(&image().blobs[0]))
}

fn is_config(asked: &Asked) -> bool {
    asked.path.ends_with(&digest(&image().blobs[1]))
}

fn when(
    law: fn(&Asked) -> bool,
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static {
    move |asked| law(asked).then(&reply)
}

#[tokio::test]
async fn an_honest_registry_is_believed() {
    let fake = registry(|_| None);
    let place = Place::new(&[fake.at()]);
    let pulled = place
        .pull(&format!("{}/a:1", fake.at()), None)
        .await
        .unwrap();
    assert_eq!(pulled.image.digest, image().digest());
    assert_eq!((place.left("half"), place.left("layers")), (0, 1));
}

#[tokio::test]
async fn redirects_lead_to_the_internet_or_nowhere() {
    let inner = Fake::start(|_| Reply::new(200, "secret"));
    let port = inner.at().rsplit(':').next().unwrap().to_owned();
    for host in [
        "127.0.0.1",
        "127.0.0.2",
        "localhost",
        "a.localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "169.254.169.254",
        "10.0.0.1",
    ] {
        let to = format!("http://{host}:{port}/");
        for law in [is_manifest, is_layer, is_config] {
            let to = to.clone();
            refused(when(law, move || Reply::to(&to)), "images.local_registries").await;
        }
    }
    assert!(inner.asked().is_empty(), "{:?}", inner.asked());
    for to in ["file:///etc/passwd", "gopher://x/", "//127.0.0.1/", ""] {
        refused(
            when(is_layer, move || Reply::to(to)),
            "where nothing is fetched",
        )
        .await;
    }
    refused(when(is_layer, || Reply::to("/again")), "not found").await;
    refused(|asked| Some(Reply::to(&asked.path)), "more than 5 times").await;
}

#[tokio::test]
async fn a_registry_at_a_private_address_has_to_be_allowed() {
    let fake = registry(|_| None);
    let port = fake.at().rsplit(':').next().unwrap();
    let place = Place::new(&["127.0.0.1:1"]);
    for host in ["127.0.0.1", "localhost", "[::1]", "192.168.0.1", "0.0.0.0"] {
        let said = place
            .pull(&format!("{host}:{port}/a:1"), None)
            .await
            .unwrap_err();
        assert!(said.contains("images.local_registries"), "{said}");
    }
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn endless_answers_end() {
    refused(
        when(is_manifest, || Reply::endless(vec![b' '; 65_536])),
        "limit of 4 MiB",
    )
    .await;
    refused(
        when(is_config, || Reply::endless(vec![b' '; 65_536])),
        "limit of 4 MiB",
    )
    .await;
    refused(
        when(is_layer, || Reply::endless(vec![b'x'; 65_536])),
        "longer than",
    )
    .await;
    refused(|_| Some(Reply::new(404, vec![b'x'; 1 << 20])), "not found").await;
}

#[tokio::test]
async fn digests_are_checked() {
    let wrong = || Reply::new(200, vec![b'x'; image().blobs[0].len()]);
    refused(when(is_layer, wrong), "has the digest").await;
    let wrong = || Reply::new(200, vec![b' '; image().blobs[1].len()]);
    refused(when(is_config, wrong), "another digest").await;
    let other = || {
        let other = digest(b"other");
        Reply::new(200, image().manifest.to_string()).with("Docker-Content-Digest", &other)
    };
    refused(when(is_manifest, other), "should have").await;
    let fake = registry(|_| None);
    let place = Place::new(&[fake.at()]);
    let name = format!("{}/a@{}", fake.at(), digest(b"other"));
    let said = place.pull(&name, None).await.unwrap_err();
    assert!(said.contains("should have"), "{said}");
    let name = format!("{}/a@{}", fake.at(), image().digest());
    place.pull(&name, None).await.unwrap();
}

#[tokio::test]
async fn what_is_no_image_is_refused() {
    let manifest = |change: fn(&mut serde_json::Value)| {
        let mut manifest = image().manifest;
        change(&mut manifest);
        when(is_manifest, move || Reply::new(200, manifest.to_string()))
    };
    let page = || Reply::new(200, "<html>log in</html>").with("Content-Type", "text/html");
    refused(when(is_manifest, page), "not one that is known").await;
    refused(
        manifest(|it| it["schemaVersion"] = json!(1)),
        "first schema",
    )
    .await;
    refused(
        manifest(|it| it["layers"][0]["digest"] = json!("../x")),
        "not a SHA-256",
    )
    .await;
    refused(
        manifest(|it| it["layers"][0]["size"] = json!(9 << 20)),
        "limit of 8 MiB",
    )
    .await;
    refused(
        manifest(|it| it["layers"][0]["size"] = json!(u64::MAX)),
        "limit of 8 MiB",
    )
    .await;
    refused(
        manifest(|it| it["config"]["size"] = json!(5 << 20)),
        "limit of 4 MiB",
    )
    .await;
    let layers = |it: &mut serde_json::Value| {
        let layer = it["layers"][0].clone();
        it["layers"] = json!(vec![layer; 200]);
    };
    refused(manifest(layers), "200 layers").await;
    let said = "{\"errors\":[{\"message\":\"a\\u001b[2Jb\\nc\"}]}";
    refused(
        when(is_manifest, move || Reply::new(400, said)),
        "answered 400: a [2Jb c",
    )
    .await;
    refused(when(is_manifest, || Reply::new(503, "")), "answered 503").await;
}

#[tokio::test]
async fn hostile_layers_are_refused_from_a_registry_as_well() {
    let cases = [
        (Layer::new().file("../../etc/x", 0o644, b"x"), "climbs out"),
        (
            Layer::new().link("a", "/etc").file("a/x", 0o644, b"x"),
            "a link or a file",
        ),
        (
            Layer::new().file("bomb", 0o644, &vec![0; 9 << 20]),
            "limit of 8 MiB",
        ),
        (
            Layer::new().entry("sda", tar::EntryType::Block, 0o666, (0, 0), b""),
            "is a device",
        ),
    ];
    for (layer, words) in cases {
        let image = Image::new(&[(layer.tar(), Packed::Gzip)], &json!({ "Cmd": ["/x"] }));
        let answer = move |asked: &Asked| Some(honest(&image, asked));
        refused(answer, words).await;
    }
    let run = json!({ "User": "nobody-knows", "Cmd": ["/x"] });
    let image = Image::new(&[(Layer::new().tar(), Packed::Plain)], &run);
    let fake = Fake::start(move |asked| honest(&image, asked));
    let place = Place::new(&[fake.at()]);
    let said = place
        .pull(&format!("{}/a:1", fake.at()), None)
        .await
        .unwrap_err();
    assert!(said.contains("/etc/passwd does not know"), "{said}");
}

#[tokio::test]
async fn logins_go_where_they_belong() {
    let elsewhere = Fake::start(|asked| honest(&image(), asked));
    let other = elsewhere.at().to_owned();
    let fake = registry(move |asked| match asked.header("authorization") {
        None => Some(Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\"")),
        Some("Basic bWU6c2VjcmV0") if is_layer(asked) => {
            Some(Reply::to(&format!("http://{other}{}", asked.path)))
        }
        Some("Basic bWU6c2VjcmV0") => None,
        Some(_) => Some(Reply::new(403, "{\"errors\":[{\"message\":\"denied\"}]}")),
    });
    let place = Place::new(&["127.0.0.1"]);
    let name = format!("{}/a:1", fake.at());
    let said = place.pull(&name, None).await.unwrap_err();
    assert!(
        said.contains("needs a login: give --docker-username"),
        "{said}"
    );
    let said = place.pull(&name, Some(("me", "wrong"))).await.unwrap_err();
    assert!(
        said.contains("refuses the login of me") && said.contains(": denied"),
        "{said}"
    );
    assert!(!said.contains("wrong"), "{said}");
    place.pull(&name, Some(("me", "secret"))).await.unwrap();
    let seen = elsewhere.asked();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("authorization"), None);
}

#[tokio::test]
async fn tokens_are_asked_for() {
    let at = Arc::new(std::sync::OnceLock::<String>::new());
    let own = Arc::clone(&at);
    let fake = registry(move |asked| {
        if asked.path.starts_with("/token?") {
            assert!(asked.path.contains("service=a%20b"), "{}", asked.path);
            assert!(
                asked.path.contains("scope=repository%3Aa%3Apull"),
                "{}",
                asked.path
            );
            let word = match asked.header("authorization") {
                Some("Basic bWU6c2VjcmV0") => "for-me",
                _ => "for-all",
            };
            return Some(Reply::new(200, json!({ "token": word }).to_string()));
        }
        match asked.header("authorization") {
            Some("Bearer for-me") => None,
            Some("Bearer for-all") => Some(Reply::new(401, "")),
            _ => {
                let realm = format!("http://{}/token", own.get().unwrap());
                let said = format!("Bearer realm=\"{realm}\",service=\"a b\"");
                Some(Reply::new(401, "").with("WWW-Authenticate", &said))
            }
        }
    });
    at.set(fake.at().to_owned()).unwrap();
    let place = Place::new(&[fake.at()]);
    let name = format!("{}/a:1", fake.at());
    place.pull(&name, Some(("me", "secret"))).await.unwrap();
    let said = place.pull(&name, None).await.unwrap_err();
    assert!(said.contains("give --docker-username"), "{said}");

    // A login is sent to no inner service, and a token is no book.
    let inner = Fake::start(|_| Reply::new(200, "{\"token\":\"x\"}"));
    let challenge = |realm: String| {
        when(is_manifest, move || {
            Reply::new(401, "").with("WWW-Authenticate", &format!("Bearer realm=\"{realm}\""))
        })
    };
    let realm = format!("http://{}/", inner.at());
    refused(challenge(realm), "images.local_registries").await;
    assert!(inner.asked().is_empty());
    refused(challenge("ldap://x".to_owned()), "where none is fetched").await;
}

#[tokio::test]
async fn a_broken_transfer_is_gone_on_with() {
    let noise: Vec<u8> = (0..200_000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let tar = Layer::new().file("noise", 0o644, &noise).tar();
    for ranges in [true, false] {
        let image = Image::new(&[(tar.clone(), Packed::Plain)], &json!({ "Cmd": ["/x"] }));
        let layer = image.blobs[0].clone();
        let tries = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = Arc::clone(&tries);
        let fake = Fake::start(move |asked| {
            if !asked.path.ends_with(&digest(&layer)) {
                return honest(&image, asked);
            }
            let first = counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
            if first {
                return Reply::new(200, layer.clone()).breaks_after(300_000);
            }
            let range = asked
                .header("range")
                .unwrap()
                .strip_prefix("bytes=")
                .unwrap();
            let from: usize = range.strip_suffix('-').unwrap().parse().unwrap();
            if ranges {
                let whole = layer.len();
                let range = format!("bytes {from}-{}/{whole}", whole - 1);
                return Reply::new(206, &layer[from..]).with("Content-Range", &range);
            }
            Reply::new(200, layer.clone())
        });
        let place = Place::new(&[fake.at()]);
        place
            .pull(&format!("{}/a:1", fake.at()), None)
            .await
            .unwrap();
        assert_eq!(tries.load(std::sync::atomic::Ordering::Relaxed), 2);
    }
}

#[tokio::test]
async fn nobody_gets_anothers_layer_by_its_name() {
    let owner = registry(|_| None);
    // Has the manifest and the configuration, which are no secret, but not the layer.
    let thief = registry(|asked| match (is_layer(asked), asked.method.as_str()) {
        (true, "HEAD") => Some(Reply::new(200, "")),
        (true, _) => Some(Reply::new(404, "")),
        _ => None,
    });
    let place = Place::new(&["127.0.0.1"]);
    place
        .pull(&format!("{}/private:1", owner.at()), None)
        .await
        .unwrap();
    let said = place
        .pull(&format!("{}/mine:1", thief.at()), None)
        .await
        .unwrap_err();
    assert!(said.contains("not found"), "{said}");
    // Where it came from it is not sent twice.
    place
        .pull(&format!("{}/private:2", owner.at()), None)
        .await
        .unwrap();
    let sent = owner.asked();
    let sent = sent
        .iter()
        .filter(|asked| is_layer(asked) && asked.method == "GET");
    assert_eq!(sent.count(), 1);
    assert_eq!(place.left("half"), 0);
}

#[tokio::test]
async fn a_mirror_is_asked_first_and_never_with_a_login() {
    let mirror = registry(|asked| asked.path.contains("/absent/").then(|| Reply::new(404, "")));
    let origin = registry(|_| None);
    let policy = Policy {
        mirrors: [(origin.at().to_owned(), format!("http://{}", mirror.at()))].into(),
        ..Policy::default()
    };
    let place = Place::with(&[origin.at()], policy, Proxies::default());
    place
        .pull(&format!("{}/a:1", origin.at()), None)
        .await
        .unwrap();
    assert!(origin.asked().is_empty());
    place
        .pull(&format!("{}/absent:1", origin.at()), None)
        .await
        .unwrap();
    assert!(!origin.asked().is_empty());
    let before = mirror.asked().len();
    let login = Some(("me", "secret"));
    place
        .pull(&format!("{}/a:1", origin.at()), login)
        .await
        .unwrap();
    assert_eq!(mirror.asked().len(), before);
    assert!(Path::new(place.dir.path()).exists());
}

#[tokio::test]
async fn layers_are_sent_side_by_side_and_not_all_at_once() {
    const LAYERS: usize = 6;
    let layers: Vec<_> = (0..LAYERS)
        .map(|number| {
            let name = format!("file{number}");
            (Layer::new().file(&name, 0o644, b"x").tar(), Packed::Gzip)
        })
        .collect();
    let image = Image::new(&layers, &json!({ "Cmd": ["/hello"] }));
    let own: Vec<String> = image.blobs[..LAYERS]
        .iter()
        .map(|blob| digest(blob))
        .collect();
    // How many are being asked for, and the most that ever were.
    let under_way = Arc::new((Mutex::new((0_usize, 0_usize)), Condvar::new()));
    let seen = Arc::clone(&under_way);
    let fake = Fake::start(move |asked| {
        if own.iter().any(|digest| asked.path.ends_with(digest)) {
            let (count, changed) = &*under_way;
            let mut now = count.lock().unwrap();
            now.0 += 1;
            now.1 = now.1.max(now.0);
            changed.notify_all();
            // One that comes alone waits for company.
            let waited = changed.wait_timeout_while(now, PATIENCE, |now| now.1 < 2);
            waited.unwrap().0.0 -= 1;
        }
        honest(&image, asked)
    });
    let place = Place::new(&[fake.at()]);
    let name = format!("{}/a:1", fake.at());
    let pulled = place.pull(&name, None).await.unwrap();
    assert_eq!(pulled.image.layers.len(), LAYERS);
    assert_eq!(place.left("layers"), LAYERS);
    let most = seen.0.lock().unwrap().1;
    assert!((2..=3).contains(&most), "{most}");
}

/// As a network has it that lets nobody out but through its proxy.
#[tokio::test]
async fn a_registry_is_asked_through_the_proxy_that_the_environment_names() {
    let proxy = registry(|asked| {
        let whole = asked.path.starts_with("http://registry.pastina.test/v2/a/");
        let login = asked.header("proxy-authorization") == Some("Basic bWU6c2VjcmV0");
        (!whole || !login).then(|| Reply::new(407, "{}"))
    });
    let environment = [
        ("http_proxy", format!("http://me:secret@{}", proxy.at())),
        ("no_proxy", "spared.pastina.test".to_owned()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value));
    let names = ["registry.pastina.test", "spared.pastina.test"].map(str::to_owned);
    let policy = Policy {
        insecure: names.to_vec(),
        ..Policy::default()
    };
    let place = Place::with(&[], policy, Proxies::named_by(environment));
    let pulled = place.pull("registry.pastina.test/a:1", None).await.unwrap();
    assert_eq!(pulled.image.digest, image().digest());
    let asked = proxy.asked().len();
    place
        .pull("spared.pastina.test/a:1", None)
        .await
        .unwrap_err();
    assert_eq!(proxy.asked().len(), asked);
    // What is private is not reached by that way either.
    place.pull("10.1.2.3:5000/a:1", None).await.unwrap_err();
    assert_eq!(proxy.asked().len(), asked);
}
