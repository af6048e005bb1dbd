//! The document of the API and its page.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::harness::Platform;

/// The Python that has the validator.
fn python() -> PathBuf {
    let python = std::env::var_os("PASTINA_TEST_OPENAPI").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/openapi"),
        PathBuf::from,
    );
    let python = python.join("bin/python");
    assert!(
        python.exists(),
        "the validator of OpenAPI documents is not at {}: run `make prerequisites`, or name its \
         folder in PASTINA_TEST_OPENAPI",
        python.display()
    );
    python
}

#[tokio::test]
async fn the_document_is_openapi() {
    let platform = Platform::start().await;
    let document = platform.get("/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("openapi.json");
    fs::write(&path, document.to_string()).unwrap();
    let checked = Command::new(python())
        .args(["-m", "openapi_spec_validator", "--errors", "all"])
        .arg(&path)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

#[tokio::test]
async fn the_document_tells_what_programs_need() {
    let platform = Platform::start().await;
    let document = platform.get("/openapi.json").await;
    let list = &document["paths"]["/v3/apps"]["get"];
    let names: Vec<&str> = list["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|parameter| parameter["name"].as_str())
        .collect();
    assert!(
        names.contains(&"space_guids") && names.contains(&"include"),
        "{names:?}"
    );
    assert!(
        list["parameters"]
            .to_string()
            .contains("parameters/per_page")
    );
    assert_eq!(list["security"][0]["bearer"], serde_json::json!([]));
    let create = &document["paths"]["/v3/apps"]["post"];
    let schema = &create["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    assert_eq!(schema, "#/components/schemas/app.Create");
    let schema = &document["components"]["schemas"]["app.Create"];
    assert_eq!(
        schema["required"],
        serde_json::json!(["name", "relationships"])
    );
    assert!(create["responses"]["201"].is_object(), "{create}");
    let one = &document["paths"]["/v3/apps/{guid}"]["delete"];
    assert!(one["responses"]["202"].is_object(), "{one}");
    assert_eq!(one["parameters"][0]["schema"]["format"], "uuid");
}

#[tokio::test]
async fn people_can_read_it() {
    let platform = Platform::start().await;
    let page = platform.get("/docs").await;
    let page = page.as_str().unwrap();
    for part in ["/v3/apps/{guid}", "List apps", "relationships"] {
        assert!(page.contains(part), "{part}");
    }
    // Nothing is loaded from elsewhere.
    assert!(
        !page.contains("<script") && !page.contains("https://"),
        "{page}"
    );
}
