//! `{{name}}` in commands: replaced by what a condition found, quoted for the shell.

use std::{borrow::Cow, collections::BTreeMap};

/// What the tests of a condition found, by the name they gave it.
pub type Bindings = BTreeMap<String, String>;

/// `text` as one word of a POSIX shell, quoted only where it has to be.
#[must_use]
pub fn quote(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=,+@%".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

/// The names between double braces in `template`, in order.
pub(super) fn names(template: &str) -> impl Iterator<Item = &str> {
    template.split("{{").skip(1).filter_map(|rest| {
        let (name, _) = rest.split_once("}}")?;
        Some(name.trim())
    })
}

/// `template` with each `{{name}}` replaced by what `shown` makes of the binding; a name
/// without a binding becomes nothing.
pub(super) fn fill(
    template: &str,
    bindings: &Bindings,
    shown: impl Fn(&str) -> Cow<'_, str>,
) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, tail)) = after.split_once("}}") else {
            break;
        };
        out.push_str(before);
        if let Some(value) = bindings.get(name.trim()) {
            out.push_str(&shown(value));
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_arrive_as_one_word() {
        let check = |value: &str, expected: &str| {
            let bindings = Bindings::from([("jar".to_owned(), value.to_owned())]);
            assert_eq!(fill("java -jar {{jar}} x", &bindings, quote), expected);
        };
        check("app.jar", "java -jar app.jar x");
        check("my app.jar", "java -jar 'my app.jar' x");
        check("a';rm -rf .'", r"java -jar 'a'\'';rm -rf .'\''' x");
        check("", "java -jar '' x");
        check("한글.jar", "java -jar '한글.jar' x");
    }

    #[test]
    fn braces_of_the_shell_stay() {
        let text = "${A:-{b}} {c,d} {{missing}}.";
        assert_eq!(fill(text, &Bindings::new(), quote), "${A:-{b}} {c,d} .");
        assert_eq!(names(text).collect::<Vec<_>>(), ["missing"]);
    }
}
