//! What catalogs may say.

use serde_json::{Value, json};

use super::*;

fn good() -> Value {
    json!({ "services": [{
        "id": "s1", "name": "mysql", "description": "a database", "bindable": true,
        "tags": ["sql"], "metadata": { "shareable": true },
        "plans": [
            { "id": "p1", "name": "small", "description": "10 MB" },
            { "id": "p2", "name": "large", "description": "10 GB", "free": false,
              "maintenance_info": { "version": "1.2.3" }, "maximum_polling_duration": 30 },
        ],
    }] })
}

fn refused(document: &Value) -> String {
    read(document).unwrap_err().to_string()
}

#[test]
fn a_good_catalog_is_read() {
    let catalog = read(&good()).unwrap();
    let (offering, plans) = &catalog.offerings[0];
    assert!(offering.shareable() && offering.bindable && !offering.plan_updateable);
    assert!(plans[0].free && !plans[1].free);
    assert_eq!(plans[1].maximum_polling_duration, Some(30));
    assert_eq!(plans[1].maintenance_info.as_ref().unwrap().version, "1.2.3");
}

#[test]
fn everything_that_is_wrong_is_told_under_its_name() {
    let document = json!({ "services": [{
        "id": 7, "name": "mysql", "description": "", "bindable": "yes", "tags": "sql",
        "requires": ["money"], "metadata": { "shareable": "no" },
        "plans": [
            { "id": "p", "name": "small", "description": "x", "free": 1 },
            { "id": "p", "name": "small", "description": "y",
              "maintenance_info": { "version": "one", "colour": 1 } },
        ],
    }] });
    assert_eq!(
        refused(&document),
        "Service broker catalog is invalid: \n\
         Service mysql\n\
         \x20 Service id must be a string, but has value 7\n\
         \x20 Service description is required\n\
         \x20 Service \"bindable\" field must be a boolean, but has value \"yes\"\n\
         \x20 Service tags must be an array of strings, but has value \"sql\"\n\
         \x20 Service \"requires\" field contains unsupported value \"money\"\n\
         \x20 Service metadata shareable must be a boolean, but has value \"no\"\n\
         \x20 Plan ids must be unique. Service mysql already has a plan with id 'p'\n\
         \x20 Plan names must be unique within a service. Service mysql already has a plan named \
         small\n\
         \x20 Plan small\n\
         \x20   Plan free must be a boolean, but has value 1\n\
         \x20 Plan small\n\
         \x20   Maintenance info version must be a Semantic Version, but has value \"one\"\n\
         \x20   Maintenance info contains invalid key(s): colour\n"
    );
}

#[test]
fn a_catalog_offers_something() {
    for nothing in [
        json!({}),
        json!({ "services": [] }),
        json!({ "services": null }),
    ] {
        assert!(refused(&nothing).contains("must provide at least one service"));
    }
    assert!(refused(&json!({ "services": "x" })).contains("array of hashes"));
    let mut document = good();
    document["services"][0]["plans"] = json!([]);
    assert!(refused(&document).contains("At least one plan is required"));
}

#[test]
fn ids_and_names_are_unique() {
    let mut document = good();
    let copy = document["services"][0].clone();
    document["services"].as_array_mut().unwrap().push(copy);
    let text = refused(&document);
    for part in [
        "Service ids must be unique\n",
        "Service names must be unique within a broker\n",
        "Unable to register plan with id 'p1'",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn schemas_are_small_and_refer_to_nothing_elsewhere() {
    let mut document = good();
    let schema =
        |schema: Value| json!({ "service_instance": { "create": { "parameters": schema } } });
    let plan = "/services/0/plans/0";
    document.pointer_mut(plan).unwrap()["schemas"] =
        schema(json!({ "$ref": "http://169.254.169.254/x" }));
    assert!(refused(&document).contains("No external references"));
    document.pointer_mut(plan).unwrap()["schemas"] =
        schema(json!({ "description": "x".repeat(70_000) }));
    assert!(refused(&document).contains("is larger than 64KB"));
    let inside = json!({ "$ref": "#/definitions/x", "definitions": { "x": {} } });
    document.pointer_mut(plan).unwrap()["schemas"] = schema(inside.clone());
    let catalog = read(&document).unwrap();
    let schemas = &catalog.offerings[0].1[0].schemas;
    assert_eq!(Value::Object(schemas.create.clone()), inside);
}
