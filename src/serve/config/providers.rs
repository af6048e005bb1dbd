//! `identity.providers`: who else vouches for people.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{
    given::{Given, Value},
    setting::Setting,
};
use crate::identity;

/// What is asked for where nothing is said (OpenID Connect Core 1.0, 5.4).
const SCOPES: &str = "openid profile email";
/// What users are named by where nothing is said, as in UAA.
const USERNAME_CLAIM: &str = "preferred_username";

/// Identity providers by their origins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Providers(BTreeMap<String, Provider>);

/// One of them. A field is described where its key is, in docs/sign-on.md.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Provider {
    issuer: String,
    client_id: String,
    client_secret_file: Option<PathBuf>,
    title: Option<String>,
    scopes: String,
    username_claim: String,
    create_users: bool,
}

impl Providers {
    /// What identities are made with. The secrets are read here.
    ///
    /// # Errors
    /// Where a secret's file cannot be read.
    pub fn open(&self) -> anyhow::Result<Vec<identity::Provider>> {
        let each = self.0.iter();
        each.map(|(origin, provider)| {
            let secret = provider.client_secret_file.as_deref().map(secret);
            Ok(identity::Provider {
                origin: origin.clone(),
                title: provider.title.clone().unwrap_or_else(|| origin.clone()),
                issuer: provider.issuer.clone(),
                client_id: provider.client_id.clone(),
                client_secret: secret.transpose()?,
                scopes: provider.scopes.clone(),
                username_claim: provider.username_claim.clone(),
                creates_users: provider.create_users,
            })
        })
        .collect()
    }
}

fn secret(path: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(path).with_context(|| {
        format!(
            "cannot read the secret for an identity provider from {}",
            path.display()
        )
    })?;
    Ok(text.trim().to_owned())
}

impl Provider {
    fn read(fields: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut fields = fields.clone();
        let mut need = |name: &str| {
            let found = fields.remove(name).filter(|text| !text.is_empty());
            found.ok_or_else(|| format!("needs {name}"))
        };
        let (issuer, client_id) = (need("issuer")?, need("client_id")?);
        check_issuer(&issuer)?;
        let client_secret_file = fields.remove("client_secret_file").map(PathBuf::from);
        if client_secret_file
            .as_ref()
            .is_some_and(|path| !path.is_absolute())
        {
            return Err("client_secret_file must be an absolute path".to_owned());
        }
        let scopes = fields.remove("scopes").unwrap_or_else(|| SCOPES.to_owned());
        if !scopes.split(' ').any(|scope| scope == "openid") {
            return Err("scopes must have \"openid\" among them".to_owned());
        }
        let create_users = match fields.remove("create_users").as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(_) => return Err("create_users must be true or false".to_owned()),
        };
        let provider = Self {
            issuer,
            client_id,
            client_secret_file,
            title: fields.remove("title"),
            scopes,
            username_claim: fields
                .remove("username_claim")
                .unwrap_or_else(|| USERNAME_CLAIM.to_owned()),
            create_users,
        };
        match fields.keys().next() {
            Some(unknown) => Err(format!(
                "has no key {unknown}; docs/sign-on.md lists what there is"
            )),
            None => Ok(provider),
        }
    }

    fn show(&self) -> String {
        let mut shown = format!(
            "issuer = {:?}, client_id = {:?}, scopes = {:?}, username_claim = {:?}, \
             create_users = {}",
            self.issuer, self.client_id, self.scopes, self.username_claim, self.create_users,
        );
        if let Some(path) = &self.client_secret_file {
            shown.push_str(&format!(
                ", client_secret_file = {:?}",
                path.display().to_string()
            ));
        }
        if let Some(title) = &self.title {
            shown.push_str(&format!(", title = {title:?}"));
        }
        shown
    }
}

/// Discovery 1.0, 3: no query and no fragment. Without TLS whoever stands between could be
/// anybody, so that is for this machine alone.
fn check_issuer(text: &str) -> Result<(), String> {
    let wrong = || format!("issuer must be an address such as https://id.example.kr, not {text:?}");
    let uri: http::Uri = text.parse().map_err(|_| wrong())?;
    let host = uri.host().ok_or_else(wrong)?;
    let plain = uri.query().is_none() && !text.contains(['#', '@']);
    let local = host == "localhost"
        || host.ends_with(".localhost")
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") if plain => Ok(()),
        Some("http") if plain && local => Ok(()),
        Some("http") if plain => Err(format!("issuer must be https, not {text:?}")),
        _ => Err(wrong()),
    }
}

fn check_origin(origin: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if origin == "uaa" {
        return Err("cannot be \"uaa\", which is the platform's own".to_owned());
    }
    if origin.is_empty() || origin.len() > 36 || !origin.chars().all(fits) {
        return Err("must be named with up to 36 letters, digits, '-', '_' and '.'".to_owned());
    }
    Ok(())
}

impl Setting for Providers {
    fn read(given: &Given) -> Result<Self, String> {
        let tables = match &given.value {
            Value::Tables(tables) => tables.clone(),
            Value::Table(entries) if entries.is_empty() => BTreeMap::new(),
            _ => return Err("must be tables in the configuration file".to_owned()),
        };
        let each = tables.iter();
        let read = each.map(|(origin, fields)| {
            let wrong = |wrong: String| format!("of {origin:?} {wrong}");
            check_origin(origin).map_err(wrong)?;
            Ok((origin.clone(), Provider::read(fields).map_err(wrong)?))
        });
        read.collect::<Result<_, _>>().map(Self)
    }

    fn show(&self) -> String {
        let each = self.0.iter();
        let each: Vec<_> = each
            .map(|(origin, provider)| format!("{origin:?} = {{ {} }}", provider.show()))
            .collect();
        format!("{{ {} }}", each.join(", "))
    }
}
