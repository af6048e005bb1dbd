//! The files that say how a site is served.

use std::{
    io::{self, Read},
    path::Path,
};

use cap_std::{ambient_authority, fs::Dir};

use super::{SiteError, headers, password, redirects, staticfile};
use crate::model::Site;

/// Largest of these files. One of 2,000 redirects has a tenth of it.
const LARGEST: u64 = 1024 * 1024;

/// What replaces Cloud Foundry's own configuration.
const OWN_NGINX: &str = "nginx/conf/nginx.conf";

/// What the files of the app in `app` say of its folder `root`, which is served; nothing said
/// about `root` outside of them counts. Blocks on the disk, and reads nothing outside of `app`.
///
/// # Errors
/// The first mistake in one of the files.
pub fn read(app: &Path, root: &str) -> Result<Site, SiteError> {
    let dir = Dir::open_ambient_dir(app, ambient_authority()).map_err(unreadable("the app"))?;
    let mut site = match text(&dir, "", "Staticfile")? {
        Some(text) => staticfile::parse(&text)?,
        None => Site::default(),
    };
    site.whole_app = root.is_empty();
    if dir.symlink_metadata(OWN_NGINX).is_ok() {
        return Err(SiteError::new(
            OWN_NGINX,
            "no nginx serves this site, so this would mean nothing: remove it, or push it as nginx.conf at the \
             top with -b nginx_buildpack",
        ));
    }
    if let Some(text) = text(&dir, "", "Staticfile.auth")? {
        site.logins = Some(password::parse(&text)?);
    }
    if let Some(text) = text(&dir, root, "_headers")? {
        site.headers = headers::parse(&text)?;
    }
    if let Some(text) = text(&dir, root, "_redirects")? {
        site.redirects = redirects::parse(&text)?;
    }
    Ok(site)
}

fn text(dir: &Dir, folder: &str, file: &str) -> Result<Option<String>, SiteError> {
    let path = Path::new(folder).join(file);
    match dir.symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(file)(error)),
        Ok(_) => {}
    }
    // What is there and cannot be understood must not be as if it were not: it may ask for a
    // password.
    let found = dir.metadata(&path).map_err(unreadable(file))?;
    if !found.is_file() || found.len() > LARGEST {
        return Err(SiteError::new(file, "it has to be a file of at most 1 MB"));
    }
    let mut bytes = Vec::new();
    let opened = dir.open(&path).map_err(unreadable(file))?;
    opened
        .take(LARGEST)
        .read_to_end(&mut bytes)
        .map_err(unreadable(file))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| SiteError::new(file, "it is not in UTF-8: save it so and push again"))?;
    // Editors on Windows begin files with a mark.
    Ok(Some(text.trim_start_matches('\u{feff}').to_owned()))
}

fn unreadable(file: &str) -> impl FnOnce(io::Error) -> SiteError {
    let file = file.to_owned();
    move |source| SiteError::Unreadable { file, source }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn all_files_of_a_site_count_and_none_from_outside() {
        let dir = tempfile::tempdir().unwrap();
        let app = dir.path().join("app");
        fs::create_dir_all(app.join("public")).unwrap();
        fs::write(
            app.join("Staticfile"),
            "\u{feff}root: public\npushstate: enabled\n",
        )
        .unwrap();
        fs::write(app.join("public/_headers"), "/*\n  X-Frame-Options: DENY\n").unwrap();
        fs::write(app.join("public/_redirects"), "/a /b\n").unwrap();
        fs::write(app.join("_redirects"), "this is not looked at").unwrap();
        let site = read(&app, "public").unwrap();
        assert!(site.fallback && !site.whole_app && site.logins.is_none());
        assert_eq!((site.headers.len(), site.redirects.len()), (1, 1));

        fs::write(dir.path().join("secret"), "root: x").unwrap();
        symlink("../secret", app.join("Staticfile.auth")).unwrap();
        let error = read(&app, "public").unwrap_err().to_string();
        assert_eq!(error, "Staticfile.auth cannot be read");
    }
}
