//! Droplets in and out.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, symlink},
        net::UnixListener,
    },
};

use super::{LIMITS, Place, listing};
use crate::{
    blobs::{BlobError, Blobs},
    model::{AppId, DropletId},
};

/// Puts a tar together and keeps it as a droplet's archive.
async fn tar(place: &Place, fill: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> String {
    let mut builder = tar::Builder::new(Vec::new());
    fill(&mut builder);
    let bytes = zstd::encode_all(&builder.into_inner().unwrap()[..], 1).unwrap();
    place.put(&bytes).await.sha256
}

/// An entry under a name that the tar crate itself would refuse to write.
fn entry(
    builder: &mut tar::Builder<Vec<u8>>,
    kind: tar::EntryType,
    name: &str,
    link: &str,
    content: &[u8],
) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    let old = header.as_old_mut();
    old.name[..name.len()].copy_from_slice(name.as_bytes());
    old.linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

#[tokio::test]
async fn a_droplet_comes_back_as_it_was() {
    let place = Place::new();
    let home = place.folder("home");
    fs::create_dir_all(home.join("app/deep/한글")).unwrap();
    fs::write(home.join("app/main.py"), "print()").unwrap();
    fs::write(home.join("app/deep/한글/파일"), "내용").unwrap();
    fs::write(home.join("app/run"), "#!/bin/sh").unwrap();
    fs::set_permissions(home.join("app/run"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::hard_link(home.join("app/main.py"), home.join("app/same.py")).unwrap();
    symlink("/usr/bin/python3", home.join("app/python")).unwrap();
    symlink("../../../outside", home.join("app/out")).unwrap();
    fs::create_dir(home.join("app/locked")).unwrap();
    fs::write(home.join("app/locked/secret"), "s").unwrap();
    fs::set_permissions(home.join("app/locked"), fs::Permissions::from_mode(0o0)).unwrap();
    let long = "n".repeat(200);
    fs::create_dir_all(home.join(&long)).unwrap();
    fs::write(home.join(&long).join(&long), "long").unwrap();
    let _socket = UnixListener::bind(home.join("app/socket")).unwrap();
    let modified = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    fs::File::open(home.join("app/run"))
        .unwrap()
        .set_modified(modified)
        .unwrap();

    let (app, droplet) = (AppId::random(), DropletId::random());
    let blob = place.blobs.put_droplet(app, droplet, &home).await.unwrap();
    assert!(!home.exists());
    let tree = place
        .blobs
        .tree(app, droplet, &blob.sha256, None)
        .await
        .unwrap();
    let mut expected = listing(&tree);
    assert!(expected.contains_key("app/socket"));
    expected.remove("app/socket");
    // The setuid bit is not kept.
    assert_eq!(expected["app/run"], "755 #!/bin/sh");

    place.blobs.retain_trees(app, &[]).await.unwrap();
    assert!(!tree.exists());
    let tree = place
        .blobs
        .tree(app, droplet, &blob.sha256, None)
        .await
        .unwrap();
    assert_eq!(listing(&tree), expected);
    let inode = |name| fs::metadata(tree.join(name)).unwrap().ino();
    assert_eq!(inode("app/main.py"), inode("app/same.py"));
    let run = fs::metadata(tree.join("app/run")).unwrap();
    assert_eq!(run.modified().unwrap(), modified);
    assert_eq!(run.mode() & 0o7777, 0o755);
    place.assert_tidy();
}

#[tokio::test]
async fn the_same_tree_makes_the_same_archive() {
    let place = Place::new();
    let mut digests = Vec::new();
    for name in ["one", "two"] {
        let home = place.folder(name);
        for file in ["b", "a", "c"] {
            fs::write(home.join(file), file).unwrap();
            fs::File::open(home.join(file))
                .unwrap()
                .set_modified(std::time::UNIX_EPOCH)
                .unwrap();
        }
        let blob = place
            .blobs
            .put_droplet(AppId::random(), DropletId::random(), &home)
            .await;
        digests.push(blob.unwrap().sha256);
    }
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test]
async fn many_callers_share_one_unpacking() {
    let place = Place::new();
    let home = place.folder("home");
    for number in 0..300 {
        fs::write(home.join(format!("f{number}")), "x").unwrap();
    }
    let (app, droplet) = (AppId::random(), DropletId::random());
    let blob = place.blobs.put_droplet(app, droplet, &home).await.unwrap();
    place.blobs.retain_trees(app, &[]).await.unwrap();
    let calls = (0..16).map(|_| place.blobs.tree(app, droplet, &blob.sha256, None));
    let trees = futures_util::future::join_all(calls).await;
    let inodes: std::collections::BTreeSet<u64> = trees
        .into_iter()
        .map(|tree| fs::metadata(tree.unwrap()).unwrap().ino())
        .collect();
    assert_eq!(inodes.len(), 1);
    place.assert_tidy();
}

#[tokio::test]
async fn only_wanted_trees_stay() {
    let place = Place::new();
    let (app, other) = (AppId::random(), AppId::random());
    let droplets = [DropletId::random(), DropletId::random()];
    let mut trees = Vec::new();
    for (app, droplet) in [(app, droplets[0]), (app, droplets[1]), (other, droplets[0])] {
        let home = place.folder("home");
        fs::write(home.join("a"), "a").unwrap();
        let blob = place.blobs.put_droplet(app, droplet, &home).await.unwrap();
        trees.push(
            place
                .blobs
                .tree(app, droplet, &blob.sha256, None)
                .await
                .unwrap(),
        );
    }
    place.blobs.retain_trees(app, &droplets[1..]).await.unwrap();
    assert_eq!(
        [false, true, true],
        [0, 1, 2].map(|tree: usize| trees[tree].exists())
    );
    place
        .blobs
        .retain_trees(AppId::random(), &[])
        .await
        .unwrap();
}

#[tokio::test]
async fn hostile_tars_are_refused_and_leave_nothing() {
    use tar::EntryType as Kind;
    let check = async |kind, name: &str, link: &str, words: &str| {
        let place = Place::new();
        fs::write(place.dir.path().join("outside"), "untouched").unwrap();
        let sha256 = tar(&place, |builder| {
            entry(builder, Kind::Regular, "good", "", b"1");
            entry(builder, kind, name, link, b"");
            entry(builder, Kind::Regular, &format!("{name}/x"), "", b"1");
        })
        .await;
        let (app, droplet) = (AppId::random(), DropletId::random());
        let refused = place
            .blobs
            .tree(app, droplet, &sha256, None)
            .await
            .unwrap_err();
        assert!(refused.to_string().contains(words), "{name}: {refused}");
        place.assert_tidy();
        assert!(listing(&place.dir.path().join("blobs/trees")).is_empty());
        assert_eq!(
            fs::read_to_string(place.dir.path().join("outside")).unwrap(),
            "untouched"
        );
    };
    check(Kind::Regular, "../outside", "", "leaves the app's folder").await;
    check(Kind::Regular, "/outside", "", "leaves the app's folder").await;
    check(Kind::Directory, "a/../../b", "", "leaves the app's folder").await;
    check(Kind::Symlink, "link", "/tmp", "no folder").await;
    check(
        Kind::Link,
        "link",
        "../../outside",
        "leaves the app's folder",
    )
    .await;
    check(Kind::Link, "link", "/etc/passwd", "leaves the app's folder").await;
    check(Kind::Link, "link", "not-there", "not there").await;
    check(Kind::Char, "device", "", "neither a file").await;
    check(Kind::Fifo, "pipe", "", "neither a file").await;
}

#[tokio::test]
async fn damage_and_bombs_are_told_apart_from_trees() {
    let place = Place::new();
    let refused = async |bytes: &[u8]| {
        let sha256 = place.put(bytes).await.sha256;
        place
            .blobs
            .tree(AppId::random(), DropletId::random(), &sha256, None)
            .await
            .unwrap_err()
            .to_string()
    };
    assert!(refused(b"nonsense").await.contains("not a compressed tar"));
    let mut builder = tar::Builder::new(Vec::new());
    entry(
        &mut builder,
        tar::EntryType::Regular,
        "zeros",
        "",
        &vec![0; 5 << 20],
    );
    let bomb = zstd::encode_all(&builder.into_inner().unwrap()[..], 1).unwrap();
    assert_eq!(
        refused(&bomb).await,
        "the unpacked droplet is larger than the limit of 4 MiB"
    );
    let mut builder = tar::Builder::new(Vec::new());
    entry(
        &mut builder,
        tar::EntryType::Regular,
        "zeros",
        "",
        &[0; 5000],
    );
    let good = zstd::encode_all(&builder.into_inner().unwrap()[..], 1).unwrap();
    let torn = refused(&good[..good.len() / 2]).await;
    assert!(
        torn.contains("cannot be unpacked") || torn.contains("damaged"),
        "{torn}"
    );
    place.assert_tidy();

    let missing = place
        .blobs
        .tree(AppId::random(), DropletId::random(), &"0".repeat(64), None)
        .await;
    assert!(matches!(missing, Err(BlobError::Missing(_))));
}

#[tokio::test]
async fn a_tree_that_is_too_large_is_refused_and_stays_where_it_is() {
    let place = Place::new();
    let home = place.folder("home");
    fs::File::create(home.join("sparse"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let refused = place
        .blobs
        .put_droplet(AppId::random(), DropletId::random(), &home)
        .await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the droplet is larger than the limit of 4 MiB"
    );
    assert!(home.join("sparse").exists());
    place.assert_tidy();
}

#[tokio::test]
async fn a_tree_on_another_file_system_is_moved_all_the_same() {
    let place = Place::new();
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    let home = elsewhere.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("a"), "a").unwrap();
    let (app, droplet) = (AppId::random(), DropletId::random());
    let blob = place.blobs.put_droplet(app, droplet, &home).await.unwrap();
    assert!(!home.exists());
    let tree = place
        .blobs
        .tree(app, droplet, &blob.sha256, None)
        .await
        .unwrap();
    assert_eq!(listing(&tree), super::map(&[("a", "644 a")]));
    let again = Blobs::open(&place.dir.path().join("blobs"), LIMITS).unwrap();
    assert_eq!(again.tree(app, droplet, "", None).await.unwrap(), tree);
}
