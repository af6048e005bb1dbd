//! The document as a page, made here and with nothing to load.

use serde_json::Value;

/// Nothing but the page's own style may be loaded, and no other site may show it in a frame.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; \
                                 frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
padding:0 1rem;color:#222;background:#fff}nav a{margin-right:.8rem}h2{margin-top:2.5rem}\
details{border-top:1px solid #ccc;padding:.3rem 0}summary{cursor:pointer}\
summary b{display:inline-block;width:4.2rem}pre,code{font-family:ui-monospace,monospace;\
font-size:.9rem}pre{overflow-x:auto;background:#f4f4f4;padding:.6rem}table{border-collapse:collapse}\
td,th{text-align:left;padding:.1rem 1rem .1rem 0;vertical-align:top}a{color:#0550ae}\
@media(prefers-color-scheme:dark){body{color:#eee;background:#111}pre{background:#222}\
a{color:#79b8ff}details{border-color:#444}}";

/// `text` as it may stand in a page or in an attribute's quotation marks.
pub(in crate::api) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// The page for `document`.
pub(super) fn render(document: &Value) -> String {
    let tags = document["tags"].as_array().into_iter().flatten();
    let tags: Vec<&str> = tags.filter_map(|tag| tag["name"].as_str()).collect();
    let mut body = String::new();
    for tag in &tags {
        let tag = escaped(tag);
        body.push_str(&format!("<a href=\"#{tag}\">{tag}</a> "));
    }
    let mut body = format!("<nav>{body}</nav>");
    for tag in tags {
        let shown = escaped(tag);
        body.push_str(&format!("<h2 id=\"{shown}\">{shown}</h2>"));
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                if operation["tags"][0] == tag {
                    body.push_str(&one(document, method, path, operation));
                }
            }
        }
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Pastina's API</title>\
         <style>{STYLE}</style></head><body><h1>Pastina's API</h1>\
         <p>{} For programs: <a href=\"/openapi.json\">openapi.json</a>.</p>{body}</body></html>\n",
        escaped(document["info"]["description"].as_str().unwrap_or_default()),
    )
}

fn one(document: &Value, method: &str, path: &str, operation: &Value) -> String {
    let who = match &operation["security"] {
        Value::Array(ways) if ways.is_empty() => "Anybody may call this.",
        Value::Array(ways) if ways.len() > 1 && ways[0]["bearer"].is_null() => {
            "Anybody may call this; who has a token or is a client may see more."
        }
        Value::Array(ways) if ways.len() > 1 => "For a client, named in the header or the form.",
        _ => "Needs a token.",
    };
    let mut text = format!(
        "<details><summary><b>{}</b><code>{}</code> {}</summary><p>{who}</p>",
        method.to_ascii_uppercase(),
        escaped(path),
        escaped(operation["summary"].as_str().unwrap_or_default()),
    );
    let mut rows = String::new();
    let mut lists = false;
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        if parameter["$ref"].is_string() {
            lists = true;
            continue;
        }
        rows.push_str(&format!(
            "<tr><td><code>{}</code></td><td>{}</td></tr>",
            escaped(parameter["name"].as_str().unwrap_or_default()),
            escaped(parameter["in"].as_str().unwrap_or_default()),
        ));
    }
    if !rows.is_empty() {
        text.push_str(&format!("<table>{rows}</table>"));
    }
    if lists {
        text.push_str(
            "<p>A list: <code>page</code>, <code>per_page</code>, <code>order_by</code>, \
             <code>label_selector</code>, <code>created_ats</code> and \
             <code>updated_ats</code> are understood.</p>",
        );
    }
    for (media, content) in operation["requestBody"]["content"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let schema = resolved(document, &content["schema"]);
        let schema = serde_json::to_string_pretty(schema).unwrap_or_default();
        text.push_str(&format!(
            "<p>Body, <code>{}</code>:</p><pre>{}</pre>",
            escaped(media),
            escaped(&schema)
        ));
    }
    let answers = operation["responses"].as_object();
    let answers = answers.into_iter().flatten().map(|(status, answer)| {
        let about = resolved(document, answer)["description"].as_str();
        format!(
            "{} ({})",
            escaped(status),
            escaped(about.unwrap_or_default())
        )
    });
    let answers: Vec<String> = answers.collect();
    text.push_str(&format!("<p>Answers: {}</p></details>", answers.join(", ")));
    text
}

/// What a reference stands for.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let target = value["$ref"]
        .as_str()
        .and_then(|path| path.strip_prefix('#'));
    target
        .and_then(|path| document.pointer(path))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_others_becomes_markup() {
        assert_eq!(
            escaped("<a href=\"x\">'&'"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;"
        );
    }
}
