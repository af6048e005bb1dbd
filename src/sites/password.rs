//! Passwords as `htpasswd` writes them.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use super::SiteError;
use crate::model::Login;

const FILE: &str = "Staticfile.auth";

/// Most rounds of bcrypt, as a power of two: these take a second.
const MOST_ROUNDS: u32 = 14;

const APR1: &str = "$apr1$";
const SHA1: &str = "{SHA}";
const SALTED_SHA1: &str = "{SSHA}";

/// The letters of Apache's MD5 passwords, by their value.
const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Who may log in by a `Staticfile.auth`.
pub(super) fn parse(text: &str) -> Result<Vec<Login>, SiteError> {
    let mut logins: Vec<Login> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // What is in the line stays out of the words: it may be a password.
        let bad = |what: &str| SiteError::at(FILE, number, what);
        let (name, hash) = line.split_once(':').ok_or_else(|| {
            bad("it is not NAME:PASSWORD, as `htpasswd -B -c Staticfile.auth NAME` writes it")
        })?;
        // nginx has room for a remark behind a second colon.
        let hash = hash.split(':').next().unwrap_or_default().trim();
        if !is_known(hash) {
            return Err(bad(
                "the password is not encrypted by bcrypt (of 14 rounds at most), MD5 of Apache or SHA-1: write \
                 the line with `htpasswd -B Staticfile.auth NAME`",
            ));
        }
        if logins.iter().any(|login| login.name == name) {
            return Err(bad("the name has a line already: remove one of the two"));
        }
        logins.push(Login {
            name: name.to_owned(),
            hash: hash.to_owned(),
        });
    }
    if logins.is_empty() {
        return Err(SiteError::new(
            FILE,
            "nobody is named in it, so nobody could see the site: add a line with `htpasswd -B Staticfile.auth \
             NAME`, or remove the file to let everybody in",
        ));
    }
    Ok(logins)
}

/// Whether a password that is written so can be verified.
#[must_use]
pub fn is_known(hash: &str) -> bool {
    if let Some(rest) = hash.strip_prefix(APR1) {
        return rest.split_once('$').is_some_and(|(salt, sum)| {
            !salt.is_empty() && salt.len() <= 8 && sum.len() == 22 && sum.is_ascii()
        });
    }
    if hash.starts_with(SHA1) || hash.starts_with(SALTED_SHA1) {
        return salted(hash).is_some();
    }
    let parts: Result<bcrypt::HashParts, _> = hash.parse();
    parts.is_ok_and(|parts| parts.get_cost() <= MOST_ROUNDS)
}

/// Whether `password` is the one that `hash` was made of. This may take a second, on purpose.
#[must_use]
pub fn verify(password: &str, hash: &str) -> bool {
    if let Some((salt, sum)) = hash
        .strip_prefix(APR1)
        .and_then(|rest| rest.split_once('$'))
    {
        return same(
            apr1(password.as_bytes(), salt.as_bytes()).as_bytes(),
            sum.as_bytes(),
        );
    }
    if let Some((sum, salt)) = salted(hash) {
        let mut digest = Sha1::new();
        digest.update(password);
        digest.update(&salt);
        return same(&digest.finalize(), &sum);
    }
    is_known(hash) && bcrypt::verify(password, hash).unwrap_or(false)
}

fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// The sum and the salt of SHA-1.
fn salted(hash: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let (written, with_salt) = match hash.strip_prefix(SALTED_SHA1) {
        Some(written) => (written, true),
        None => (hash.strip_prefix(SHA1)?, false),
    };
    let bytes = STANDARD.decode(written).ok()?;
    let (sum, salt) = bytes.split_at_checked(20)?;
    (with_salt || salt.is_empty()).then(|| (sum.to_vec(), salt.to_vec()))
}

/// Apache's thousand rounds of MD5, in its letters: no maintained crate has them. They are as
/// old as they sound, and what many files have.
fn apr1(password: &[u8], salt: &[u8]) -> String {
    let mut sum = md5(&[password, salt, password]);
    let mut first = [password, APR1.as_bytes(), salt].concat();
    for at in (0..password.len()).step_by(16) {
        first.extend_from_slice(&sum[..(password.len() - at).min(16)]);
    }
    let mut length = password.len();
    while length > 0 {
        first.push(if length & 1 == 1 { 0 } else { password[0] });
        length >>= 1;
    }
    sum = md5(&[&first]);
    for round in 0..1000 {
        let before = sum;
        let (odd, none): (bool, &[u8]) = (round % 2 == 1, &[]);
        sum = md5(&[
            if odd { password } else { &before },
            if round % 3 > 0 { salt } else { none },
            if round % 7 > 0 { password } else { none },
            if odd { &before } else { password },
        ]);
    }
    let mut letters = String::with_capacity(22);
    let mut spell = |value: u32, count: u32| {
        for place in 0..count {
            let letter = (value >> (6 * place)) & 63;
            letters.push(char::from(LETTERS[letter as usize]));
        }
    };
    for [high, middle, low] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        let bytes = [0, sum[high], sum[middle], sum[low]];
        spell(u32::from_be_bytes(bytes), 4);
    }
    spell(u32::from(sum[11]), 2);
    letters
}

fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut context = md5::Context::new();
    for part in parts {
        context.consume(part);
    }
    context.finalize().0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Apache's and OpenSSL's own programs.
    const KNOWN: [(&str, &str); 5] = [
        ("password", "$apr1$lZL6VxCi$cp.CdSB1N6tnG6ekIKL4a/"),
        (
            "암호는 길다, really a long one",
            "$apr1$abc$HYz2YXCvujw4FtUILnMQO1",
        ),
        ("password", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="),
        ("password", "{SSHA}yI6cZwQadOA1e+/f+T+H3eCQQhRzYWx0"),
        (
            "password",
            "$2y$05$JIRWtDAsEGm3KNuCL6VBnuPsXpBAqMRGFQWmnjg/9VmNK1upKUqCC",
        ),
    ];

    #[test]
    fn passwords_of_every_kind_are_verified() {
        for (password, hash) in KNOWN {
            assert!(is_known(hash), "{hash}");
            assert!(verify(password, hash), "{hash}");
            assert!(!verify("wrong", hash), "{hash}");
            assert!(!verify("", hash), "{hash}");
        }
        for hash in [
            "",
            "plain",
            "{PLAIN}x",
            "{SHA}x",
            "$apr1$salt$short",
            &KNOWN[4].1.replace("$05$", "$19$"),
        ] {
            assert!(!is_known(hash) && !verify("x", hash), "{hash}");
        }
    }

    #[test]
    fn a_mistake_names_its_line_and_no_password() {
        let check = |text: &str, expected: &str| {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("geheim"), "{error}");
        };
        let good = format!("# who\n\nhong:{}\n", KNOWN[0].1);
        assert_eq!(parse(&good).unwrap().len(), 1);
        assert_eq!(
            parse(&format!("hong:{}:a remark", KNOWN[0].1)).unwrap()[0].hash,
            KNOWN[0].1
        );
        check(
            &format!("{good}kim\n"),
            "Staticfile.auth, line 4: it is not NAME:PASSWORD",
        );
        check(
            "kim:geheim",
            "Staticfile.auth, line 1: the password is not encrypted",
        );
        check(
            &format!("{good}{good}"),
            "Staticfile.auth, line 6: the name has a line already",
        );
        check("# nobody\n", "Staticfile.auth: nobody is named in it");
    }
}
